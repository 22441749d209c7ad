import { DataError } from "./errors.ts";
import { readMasks } from "./image_masks.ts";
import { readImage } from "./formats/read_image.ts";
import { findNonFinite } from "./find_non_finite.ts";
import { reorient } from "./orientation.ts";
import {
  type ImageMasks,
  type ImageResampler,
  preprocessArray,
  type PreprocessArrayOptions,
  type PreprocessedArray,
} from "./preprocess_array.ts";
import { EmptyShapeError } from "./resample.ts";
import { checkTarget } from "./target_grid.ts";
import { type Affine, type Dims3, multiplyAffine, type Volume } from "./volume.ts";

/** How one file is preprocessed. */
export interface PreprocessOptions {
  /** mm along the transposed axes; null keeps the spacing. 1 mm isotropic when left out. */
  readonly targetSpacing?: Dims3 | null;
  readonly transpose?: Dims3;
  /** Axis codes to reorient to before anything else, "RAS" when left out; null keeps the axes of the file. */
  readonly orientation?: string | null;
  /** Largest number of bytes of one decompressed file, and of one preprocessed array as float32; 4 GiB when left out. */
  readonly maxBytes?: number;
  /** Which volume of a 4-D file; such files are refused when left out. */
  readonly volume?: number;
  /** Files of the image's masks: integers on the grid of the image. */
  readonly masks?: ImageMasks<string>;
  /** What resamples the image, `resampleImage` when left out. Masks are always resampled here, by label. */
  readonly resampler?: ImageResampler;
}

/** A preprocessed image and what is needed to find its voxels in the world. */
export interface PreprocessedImage extends PreprocessedArray {
  /** Index (x, y, z) of the array before transposing back, i.e. of axes 2, 1, 0 of `data`, to world mm. */
  readonly affine: Affine;
  /** The volume's geometry as read, after reorientation. */
  readonly source: Pick<Volume, "shape" | "spacing" | "origin" | "direction" | "affine">;
  readonly transpose: Dims3;
}

const DEFAULT_MAX_BYTES = 2 ** 32;

/**
 * Reads and preprocesses one image file and its masks.
 *
 * @throws {DataError} when the file cannot be read, holds NaN or infinite values, is zero everywhere or the same everywhere, or would
 * become too large or vanish at the target spacing; when a mask cannot be read, holds something else than integers of 8 bits, or lies
 * on another grid than the image
 */
export async function preprocessFile(
  path: string,
  options: PreprocessOptions = {},
): Promise<PreprocessedImage> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const read = await readImage(path, { maxBytes, volume: options.volume });
  const orientation = options.orientation === undefined ? "RAS" : options.orientation;
  const bad = findNonFinite(read.data);
  if (bad) {
    const found = `${bad.count} NaN or infinite values (the first at voxel ${bad.index})`;
    throw new DataError({
      file: path,
      found,
      wanted: "finite intensities",
      remedy: "repair or remove the image",
    });
  }
  const volume = orientation === null ? read : reorient(read, orientation);
  const transpose = options.transpose ?? [0, 1, 2];
  const targetSpacing = options.targetSpacing === undefined ? [1, 1, 1] as const : options.targetSpacing;
  checkTarget(path, volume, transpose, targetSpacing, maxBytes);
  const masks = options.masks && await readMasks(options.masks, path, read, { maxBytes, orientation });
  const result = await runChain(path, volume, {
    spacing: volume.spacing,
    targetSpacing,
    transpose,
    masks,
    resampler: options.resampler,
  });
  const { shape, spacing, origin, direction, affine } = volume;
  return {
    ...result,
    affine: gridAffine(volume, result, transpose),
    source: { shape, spacing, origin, direction, affine },
    transpose,
  };
}

async function runChain(
  path: string,
  volume: Volume,
  options: PreprocessArrayOptions,
): Promise<PreprocessedArray> {
  const wanted = "an image with content", remedy = "remove the image or export it again";
  let result: PreprocessedArray | null;
  try {
    result = await preprocessArray(volume.data, volume.shape, options);
  } catch (cause) {
    if (!(cause instanceof EmptyShapeError)) throw cause;
    throw new DataError({ file: path, found: "content thinner than half a target voxel", wanted, remedy }, {
      cause,
    });
  }
  if (!result) throw new DataError({ file: path, found: "zero in every voxel", wanted, remedy });
  if (result.statistics.std === 0) {
    const found = `the value ${result.statistics.mean} in every voxel`;
    throw new DataError({ file: path, found, wanted, remedy });
  }
  return result;
}

/** World position of the preprocessed grid, (x, y, z) index of axes (2, 1, 0): crop offset, resampling with aligned edges, transposition. */
function gridAffine(
  volume: Volume,
  { box, shape, shapeAfterCropping }: PreprocessedArray,
  transpose: Dims3,
): Affine {
  const toSource = new Array<number>(16).fill(0);
  for (let axis = 0; axis < 3; axis++) {
    const scale = shapeAfterCropping[axis] / shape[axis];
    const row = 2 - transpose[axis], column = 2 - axis; // array axis 0 is z, index 2
    toSource[4 * row + column] = scale;
    toSource[4 * row + 3] = box.start[axis] + 0.5 * scale - 0.5;
  }
  toSource[15] = 1;
  return multiplyAffine(volume.affine, toSource);
}
