import { gridWarnings } from "./grid_warnings.ts";
import type { ImageHeader, ReadImageOptions } from "./image_header.ts";
import { mmPerUnit } from "./nifti/geometry.ts";
import { readNiftiHeader } from "./nifti/read_nifti.ts";

/**
 * Reads and checks the header of an image, without its voxels. A 4-D file is described (`volumes`), not refused.
 *
 * @throws {DataError} when the file is no image of a known format, holds several numbers a voxel, promises more than the file can hold,
 * or one of its volumes is larger than `maxBytes`
 */
export async function readImageHeader(path: string, options: ReadImageOptions = {}): Promise<ImageHeader> {
  const header = await readNiftiHeader(path, options);
  const { shape, spacing, affine, volumes, datatype, fileBytes, contentBytes, pixdim, xyztUnits } = header;
  const steps = pixdim.slice(1, 4).map((step) => step * mmPerUnit(xyztUnits));
  const warnings = gridWarnings(affine, steps);
  return { format: "nifti", shape, spacing, affine, volumes, datatype, fileBytes, contentBytes, warnings };
}
