import { DataError } from "../errors.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import { DEFAULT_MAX_BYTES, type ImageHeader } from "./image_header.ts";

/** Deflate cannot expand by more than about 1032 (RFC 1951: 258 bytes from two bits). */
const MAX_DEFLATE_RATIO = 1032;

/** What a header promises, before it is believed. */
export interface PromisedSize extends Pick<ImageHeader, "shape" | "volumes" | "datatype"> {
  /** Bytes of one voxel as stored. */
  readonly voxelBytes: number;
  readonly fileBytes: number;
  readonly contentBytes: number;
  /** How the file holds it: "deflate" for gzip. */
  readonly packing: "none" | "deflate" | "other";
}

/**
 * Checks that a file can hold what its header promises, and that one volume fits the limit, before anything of that size is allocated.
 *
 * @throws {DataError} stating the promise and what would have been possible
 */
export function checkSize(path: string, promised: PromisedSize, maxBytes = DEFAULT_MAX_BYTES): void {
  const { shape, volumes, datatype, voxelBytes, fileBytes, contentBytes, packing } = promised;
  const promise = `a header that promises ${contentBytes} bytes (${sizesText(shape, volumes)} ${datatype})`;
  const available = packing === "deflate"
    ? fileBytes * MAX_DEFLATE_RATIO
    : packing === "none"
    ? fileBytes
    : Infinity;
  if (contentBytes > available) {
    const limit = packing === "deflate"
      ? `at most ${available} bytes, all that ${fileBytes} compressed bytes can hold`
      : `${fileBytes} bytes of file`;
    throw new DataError({
      file: path,
      found: promise,
      wanted: limit,
      remedy: "the file is truncated or damaged: copy it again",
    });
  }
  const needed = voxelCount(shape) * Math.max(voxelBytes, 4);
  if (needed > maxBytes) {
    throw new DataError({
      file: path,
      found: `${promise}, ${needed} in memory`,
      wanted: `at most ${maxBytes} bytes`,
      remedy: "downsample it, or raise maxBytes if the machine has the memory",
    });
  }
}

/**
 * Index of the volume to read.
 *
 * @throws {DataError} for a 4-D image without a choice, and for a choice outside the file
 */
export function checkVolumeChoice(
  path: string,
  { shape, volumes }: Pick<ImageHeader, "shape" | "volumes">,
  volume: number | undefined,
): number {
  const found = `shape ${sizesText(shape, volumes)}`;
  if (volume === undefined && volumes > 1) {
    throw new DataError({
      file: path,
      found,
      wanted: "a 3-D image (trailing sizes of 1 are fine)",
      remedy: "choose one of its volumes, or split it",
    });
  }
  const index = volume ?? 0;
  if (!(Number.isInteger(index) && index >= 0 && index < volumes)) {
    throw new DataError({
      file: path,
      found,
      wanted: `a file with a volume ${index} (the first is 0)`,
      remedy: "choose another volume",
    });
  }
  return index;
}

/** Sizes in file order, for messages: 2x3x4, or 2x3x4x5 with five volumes. */
function sizesText(shape: Dims3, volumes: number): string {
  return [shape[2], shape[1], shape[0], ...(volumes > 1 ? [volumes] : [])].join("x");
}
