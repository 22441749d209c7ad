/**
 * Optional third-party modules of data/, pinned. They are imported by name in a process of their own that runs without deno.lock: a literal
 * import would make every installation fetch their 30 MB, and an import at run time would write them into the lock file.
 */

/** ITK's image readers as WebAssembly: NRRD and MetaImage. */
export const ITK_MODULE = "npm:@itk-wasm/image-io@1.6.1";
/** dcm2niix as WebAssembly: DICOM series to NIfTI. */
export const DCM2NIIX_MODULE = "npm:@niivue/dcm2niix@1.2.0";
