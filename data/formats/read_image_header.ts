import { readDicomHeader } from "./dicom/read_dicom.ts";
import { identifyFormat } from "./identify_format.ts";
import type { ImageHeader, ReadImageOptions } from "./image_header.ts";
import { readMhaHeader } from "./mha/header.ts";
import { describeNifti } from "./nifti/describe.ts";
import { readNiftiHeader } from "./nifti/read_nifti.ts";
import { readNrrdHeader } from "./nrrd/header.ts";

/**
 * Reads and checks the header of an image, without its voxels. A 4-D file is described (`volumes`), not refused. A DICOM series is
 * converted for it, voxels and all: it has no one header.
 *
 * @param path a file, or the folder of a DICOM series; `.nii` and `.nii.gz` are NIfTI, other files are told apart by content
 * @throws {DataError} when the file is no image of a known format, holds several numbers a voxel, promises more than the file can hold,
 * or one of its volumes is larger than `maxBytes`
 */
export async function readImageHeader(path: string, options: ReadImageOptions = {}): Promise<ImageHeader> {
  switch (identifyFormat(path)) {
    case "nrrd":
      return readNrrdHeader(path, options.maxBytes);
    case "mha":
      return readMhaHeader(path, options.maxBytes);
    case "dicom":
      return await readDicomHeader(path, options);
    case "nifti":
      return describeNifti(await readNiftiHeader(path, options));
  }
}
