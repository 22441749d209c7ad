import { DataError } from "./errors.ts";
import { readImage } from "./formats/read_image.ts";
import { reorient } from "./orientation.ts";
import type { ImageMasks } from "./preprocess_array.ts";
import { requireSameGrid } from "./same_grid.ts";
import type { Volume } from "./volume.ts";

/** Labels are stored as signed bytes. */
const SMALLEST_LABEL = -128, LARGEST_LABEL = 127;

/** How masks are read. */
export interface ReadMasksOptions {
  readonly maxBytes: number;
  /** Axis codes that the image was reoriented to; null when it was left as it is. */
  readonly orientation: string | null;
}

/**
 * Reads the masks of an image onto its reoriented grid.
 *
 * @param image file of the image, for messages, and `grid`, the image as read
 * @returns labels, `[D, H, W]` of the reoriented image
 * @throws {DataError} naming the mask that cannot be read, lies on another grid, or holds other values than integers of 8 bits
 */
export async function readMasks(
  masks: ImageMasks<string>,
  image: string,
  grid: Volume,
  options: ReadMasksOptions,
): Promise<ImageMasks<Int32Array>> {
  const read = (path: string) => readMask(path, image, grid, options);
  const { anonymization, anatomy } = masks;
  return { // one after the other: a second failure while the first is handled would have no owner
    ...(anonymization === undefined ? {} : { anonymization: await read(anonymization) }),
    ...(anatomy === undefined ? {} : { anatomy: await read(anatomy) }),
  };
}

async function readMask(
  path: string,
  image: string,
  grid: Volume,
  { maxBytes, orientation }: ReadMasksOptions,
): Promise<Int32Array> {
  const mask = await readImage(path, { maxBytes });
  const remedy = "resample the mask onto the image, or leave it out";
  requireSameGrid({ file: path, kind: "a mask", grid: mask }, { file: image, grid }, remedy);
  const { data } = orientation === null ? mask : reorient(mask, orientation);
  const labels = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!Number.isInteger(value) || value < SMALLEST_LABEL || value > LARGEST_LABEL) {
      throw new DataError({
        file: path,
        found: `the value ${value} in a mask`,
        wanted: `integers from ${SMALLEST_LABEL} to ${LARGEST_LABEL}`,
        remedy: "export the mask as labels, or leave it out",
      });
    }
    labels[i] = value;
  }
  return labels;
}
