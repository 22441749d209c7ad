import { type Box3, boxSize, cropBox, cropToNonzero, nonzeroBox } from "./crop.ts";
import { DataError } from "./errors.ts";
import { readNifti } from "./nifti.ts";
import { findNonFinite } from "./nifti_decode.ts";
import { type IntensityStatistics, zScore } from "./normalize.ts";
import { reorient } from "./orientation.ts";
import { resampledShape, resampleImage } from "./resample.ts";
import { resampleLabels } from "./resample_labels.ts";
import { type Affine, type Dims3, multiplyAffine, type Volume, voxelCount } from "./volume.ts";

/** How an array is brought to the grid and intensity scale of training. */
export interface PreprocessArrayOptions {
  /** mm along the axes of the array, before transposing. */
  readonly spacing: Dims3;
  /** mm along the transposed axes; null keeps the spacing. */
  readonly targetSpacing: Dims3 | null;
  /** Axis of the input for every axis of the output; [0, 1, 2] when left out. */
  readonly transpose?: Dims3;
  /** Normalise inside the filled non-zero mask only; false when left out. */
  readonly useMask?: boolean;
  /** Label map `[D, H, W]` that goes along. */
  readonly labels?: Int32Array;
}

/** A preprocessed array; boxes and shapes are along the transposed axes. */
export interface PreprocessedArray {
  readonly data: Float32Array;
  readonly shape: Dims3;
  readonly spacing: Dims3;
  readonly labels?: Int32Array;
  readonly box: Box3;
  readonly shapeBeforeCropping: Dims3;
  readonly shapeAfterCropping: Dims3;
  /** Mean and standard deviation before normalisation. */
  readonly statistics: IntensityStatistics;
}

/**
 * Transposes, crops to non-zero, z-scores and resamples one image, in this order.
 *
 * @param data `[C, D, H, W]`; with several channels each is normalised on its own and `statistics` is that of the first
 * @returns null when every voxel is zero
 * @throws {RangeError} if an axis would come out without a voxel
 * Source: `DefaultPreprocessor.run_case_npy` of nnU-Net v2; nnssl gives identical results
 */
export function preprocessArray(
  data: Float32Array,
  shape: Dims3,
  options: PreprocessArrayOptions,
): PreprocessedArray | null {
  const order = options.transpose ?? [0, 1, 2];
  const permute = (values: Dims3): Dims3 => [values[order[0]], values[order[1]], values[order[2]]];
  const spacing = permute(options.spacing), before = permute(shape);
  const transposed = transposeAxes(data, shape, order);
  const needMask = options.useMask || options.labels !== undefined;
  const crop = needMask
    ? cropToNonzero(transposed, before, options.labels && transposeAxes(options.labels, shape, order))
    : cropOnly(transposed, before);
  if (!crop) return null;
  const voxels = voxelCount(crop.shape);
  let statistics: IntensityStatistics | undefined;
  for (let at = 0; at < crop.data.length; at += voxels) {
    const channel = zScore(crop.data.subarray(at, at + voxels), options.useMask ? crop.labels : undefined);
    statistics ??= channel;
  }
  const target = options.targetSpacing ?? spacing;
  const newShape = resampledShape(crop.shape, spacing, target);
  const resampled = resampleImage(crop.data, crop.shape, newShape, spacing, target);
  const labels = options.labels && crop.labels &&
    resampleLabels(crop.labels, crop.shape, newShape, spacing, target);
  return {
    data: resampled,
    shape: newShape,
    spacing: target,
    ...(labels ? { labels } : {}),
    box: crop.box,
    shapeBeforeCropping: before,
    shapeAfterCropping: crop.shape,
    statistics: statistics!,
  };
}

function cropOnly(
  data: Float32Array,
  shape: Dims3,
): { data: Float32Array; shape: Dims3; box: Box3; labels?: Int32Array } | null {
  const box = nonzeroBox(data, shape);
  return box && { data: cropBox(data, shape, box), shape: boxSize(box), box };
}

/** Reorders the three spatial axes of `[C, D, H, W]`: output axis a is input axis `order[a]`. The input itself for [0, 1, 2]. */
export function transposeAxes<T extends Float32Array | Int32Array>(data: T, shape: Dims3, order: Dims3): T {
  if (order.every((from, to) => from === to)) return data;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [d, h, w] = order.map((axis) => shape[axis]);
  const [sd, sh, sw] = order.map((axis) => strides[axis]);
  const output = new (data.constructor as new (length: number) => T)(data.length);
  let to = 0;
  for (let channel = 0; channel < data.length; channel += d * h * w) {
    for (let z = 0; z < d; z++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0, from = channel + z * sd + y * sh; x < w; x++, from += sw) output[to++] = data[from];
      }
    }
  }
  return output;
}

/** How one file is preprocessed. */
export interface PreprocessOptions {
  /** mm along the transposed axes; null keeps the spacing. 1 mm isotropic when left out. */
  readonly targetSpacing?: Dims3 | null;
  readonly transpose?: Dims3;
  readonly useMask?: boolean;
  /** Axis codes to reorient to before anything else, "RAS" when left out; null keeps the axes of the file. */
  readonly orientation?: string | null;
  /** Largest number of bytes of one decompressed file, and of one preprocessed array as float32; 4 GiB when left out. */
  readonly maxBytes?: number;
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
 * Reads and preprocesses one image file.
 *
 * @throws {DataError} when the file cannot be read, holds NaN or infinite values, is zero everywhere or the same everywhere, or would
 * become too large or vanish at the target spacing
 */
export async function preprocessFile(
  path: string,
  options: PreprocessOptions = {},
): Promise<PreprocessedImage> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const read = await readNifti(path, { maxBytes });
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
  const result = runChain(path, volume, {
    spacing: volume.spacing,
    targetSpacing,
    transpose,
    useMask: options.useMask,
  });
  const { shape, spacing, origin, direction, affine } = volume;
  return {
    ...result,
    affine: gridAffine(volume, result, transpose),
    source: { shape, spacing, origin, direction, affine },
    transpose,
  };
}

function runChain(path: string, volume: Volume, options: PreprocessArrayOptions): PreprocessedArray {
  const wanted = "an image with content", remedy = "remove the image or export it again";
  let result: PreprocessedArray | null;
  try {
    result = preprocessArray(volume.data, volume.shape, options);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
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

/** Refuses a target grid that is too large for memory or has an axis without voxels, before anything is computed. */
function checkTarget(
  path: string,
  volume: Volume,
  transpose: Dims3,
  target: Dims3 | null,
  maxBytes: number,
): void {
  if (!target) return;
  const permute = (
    values: Dims3,
  ): Dims3 => [values[transpose[0]], values[transpose[1]], values[transpose[2]]];
  const shape = resampledShape(permute(volume.shape), permute(volume.spacing), target);
  const found = `${volume.shape.join("x")} voxels of ${
    volume.spacing.map((step) => step.toPrecision(4)).join(" x ")
  } mm`;
  const becomes = `${shape.join("x")} at ${target.join(" x ")} mm`;
  if (shape.some((size) => size < 1)) {
    const wanted = `at least one voxel per axis after resampling, not ${becomes}`;
    throw new DataError({ file: path, found, wanted, remedy: "check the spacing in the header" });
  }
  if (4 * voxelCount(shape) > maxBytes) {
    const wanted = `at most ${maxBytes} bytes after resampling, not ${becomes}`;
    throw new DataError({
      file: path,
      found,
      wanted,
      remedy: "check the spacing in the header, or choose a coarser target",
    });
  }
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
