import { DataError } from "./errors.ts";
import { readImage } from "./formats/read_image.ts";
import { reorient } from "./orientation.ts";
import type { ImageMasks } from "./preprocess_array.ts";
import { applyAffine, type Vec3, type Volume } from "./volume.ts";

/** Most that a corner of a mask's grid may lie away from the image's, in parts of the smallest voxel edge: headers round. */
const CORNER_TOLERANCE = 0.1;
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
  checkGrid(path, mask, image, grid);
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

function checkGrid(path: string, mask: Volume, image: string, grid: Volume): void {
  const remedy = "resample the mask onto the image, or leave it out";
  if (mask.shape.some((size, axis) => size !== grid.shape[axis])) {
    throw new DataError({
      file: path,
      found: `a mask of ${mask.shape.join("x")} voxels`,
      wanted: `${grid.shape.join("x")}, as ${image}`,
      remedy,
    });
  }
  const away = cornerDistance(mask, grid);
  if (away > CORNER_TOLERANCE * Math.min(...grid.spacing)) {
    throw new DataError({
      file: path,
      found: `a mask that lies up to ${away.toPrecision(3)} mm away from its image`,
      wanted: `the position and spacing of ${image}`,
      remedy,
    });
  }
}

/** Largest distance in mm between the same corner of two grids. */
function cornerDistance(a: Volume, b: Volume): number {
  let largest = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index: Vec3 = [
      corner & 1 ? a.shape[2] - 1 : 0,
      corner & 2 ? a.shape[1] - 1 : 0,
      corner & 4 ? a.shape[0] - 1 : 0,
    ];
    const [p, q] = [applyAffine(a.affine, index), applyAffine(b.affine, index)];
    largest = Math.max(largest, Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
  }
  return largest;
}
