import type { Volume } from "../volume.ts";
import type { ReadImageOptions } from "./image_header.ts";
import { readNifti } from "./nifti/read_nifti.ts";

/**
 * Reads one 3-D image as float32, slope and intercept applied, axes as the file stores them.
 *
 * @param options `volume` picks one of a 4-D file
 * @throws {DataError} as `readImageHeader`; for a 4-D file without `volume`; when voxels are missing or damaged
 */
export function readImage(path: string, options: ReadImageOptions = {}): Promise<Volume> {
  return readNifti(path, options);
}
