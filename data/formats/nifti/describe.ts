import { gridWarnings } from "../grid_warnings.ts";
import type { ImageHeader } from "../image_header.ts";
import { mmPerUnit } from "./geometry.ts";
import type { NiftiFileHeader } from "./read_nifti.ts";

/** What a NIfTI header says in the terms of all formats. */
export function describeNifti(header: NiftiFileHeader): ImageHeader {
  const { shape, spacing, affine, volumes, datatype, fileBytes, contentBytes, pixdim, xyztUnits } = header;
  const steps = pixdim.slice(1, 4).map((step) => step * mmPerUnit(xyztUnits));
  const warnings = gridWarnings(affine, steps);
  return { format: "nifti", shape, spacing, affine, volumes, datatype, fileBytes, contentBytes, warnings };
}
