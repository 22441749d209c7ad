import type { Affine, Dims3 } from "../volume.ts";

/** File formats that can be read, by content: NIfTI-1 and -2, NRRD, MetaImage, and a DICOM file or folder. */
export type ImageFormat = "nifti" | "nrrd" | "mha" | "dicom";

/** Limits and choices of reading an image. */
export interface ReadImageOptions {
  /** Largest array in bytes: voxels as stored, or as float32, of one volume; 4 GiB when left out. */
  readonly maxBytes?: number;
  /** Index of the volume to take from a 4-D file, from 0. Without it a 4-D file is refused. */
  readonly volume?: number;
}

/** What the header of an image says, checked against the size of its file. */
export interface ImageHeader {
  readonly format: ImageFormat;
  /** `[D, H, W]`: numbers of voxels along z, y, x of the file. */
  readonly shape: Dims3;
  /** mm along z, y, x; always positive. */
  readonly spacing: Dims3;
  readonly affine: Affine;
  /** 1, or the number of 3-D volumes in a 4-D file. */
  readonly volumes: number;
  /** Stored voxel type, for example "int16". */
  readonly datatype: string;
  /** Bytes of the file, or of all files of a DICOM series. */
  readonly fileBytes: number;
  /** Bytes of the decompressed file up to the last voxel of the last volume. */
  readonly contentBytes: number;
  /** Remarks about an image that can be used, for example that its axes are sheared. */
  readonly warnings: readonly string[];
}

/** Default of `ReadImageOptions.maxBytes`. */
export const DEFAULT_MAX_BYTES = 2 ** 32;
