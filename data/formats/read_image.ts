import type { Volume } from "../volume.ts";
import { readDicom } from "./dicom/read_dicom.ts";
import { identifyFormat } from "./identify_format.ts";
import type { ReadImageOptions } from "./image_header.ts";
import { readMhaHeader } from "./mha/header.ts";
import { readNifti } from "./nifti/read_nifti.ts";
import { readNrrdHeader } from "./nrrd/header.ts";
import { readItk } from "./optional/read_itk.ts";

/**
 * Reads one 3-D image as float32, scaling applied, axes as the file stores them.
 *
 * NIfTI is read here; the voxels of NRRD, MetaImage and DICOM are read by optional modules, fetched from npm when first needed.
 *
 * @param path a file, or the folder of a DICOM series; `.nii` and `.nii.gz` are NIfTI, other files are told apart by content
 * @param options `volume` picks one of a 4-D file
 * @throws {DataError} as `readImageHeader`; for a 4-D file without `volume`; when voxels are missing or damaged, or a module is missing
 */
export async function readImage(path: string, options: ReadImageOptions = {}): Promise<Volume> {
  switch (identifyFormat(path)) {
    case "nrrd":
      return await readItk(path, readNrrdHeader(path, options.maxBytes), options);
    case "mha":
      return await readItk(path, readMhaHeader(path, options.maxBytes), options);
    case "dicom":
      return await readDicom(path, options);
    case "nifti":
      return await readNifti(path, options);
  }
}
