import { roundHalfToEven } from "../../data/resample.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { gaussianAxis } from "./gaussian.ts";
import { PredictionError } from "./errors.ts";

/** Windows along one axis of a volume that is at least as long as the patch. */
export interface WindowAxis {
  /** Voxels of the volume before padding. */
  readonly size: number;
  /** Voxels after padding: at least the patch. */
  readonly padded: number;
  /** Zeros in front: half of the padding, rounded down. */
  readonly before: number;
  readonly patch: number;
  /** First voxel of every window in the padded volume. */
  readonly starts: readonly number[];
  /**
   * Weights of every window, `[patch]` each: its Gaussian over the sum of all windows' there. They add up to 1 in every voxel.
   */
  readonly weights: readonly Float64Array[];
}

/**
 * Positions of windows: `n = ceil((size - patch) / (patch * step)) + 1`, evenly spread and rounded, half to even.
 *
 * @param size voxels, at least `patch`
 * @param step distance of windows as a share of the patch, above 0, at most 1
 * Source: `compute_steps_for_sliding_window` of nnU-Net v2
 */
export function windowStarts(size: number, patch: number, step: number): number[] {
  const room = size - patch;
  const count = Math.ceil(room / (patch * step)) + 1;
  const distance = count > 1 ? room / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) => roundHalfToEven(i * distance));
}

/**
 * Windows along an axis, with their share of every voxel.
 *
 * The Gaussian of a window is a product over axes, and windows lie on a grid; so the sum over windows is a product as well, and
 * weights may be divided by it before they meet a logit. Nothing is left to divide afterwards, and no weight is as small as the
 * 4e-11 of a Gaussian's corner.
 *
 * @throws {PredictionError} when the step is not above 0 and at most 1
 */
export function windowAxis(size: number, patch: number, step: number): WindowAxis {
  if (!(step > 0 && step <= 1)) {
    throw new PredictionError(
      `Cannot place windows: step ${step}, wanted a share of the patch above 0 and at most 1`,
    );
  }
  const padded = Math.max(size, patch);
  const starts = windowStarts(padded, patch, step);
  const gaussian = gaussianAxis(patch);
  const sum = new Float64Array(padded);
  for (const start of starts) gaussian.forEach((weight, i) => sum[start + i] += weight);
  return {
    size,
    padded,
    before: Math.floor((padded - size) / 2),
    patch,
    starts,
    weights: starts.map((start) => gaussian.map((weight, i) => weight / sum[start + i])),
  };
}

/** Windows along the three axes. @throws {PredictionError} as {@linkcode windowAxis} */
export function windowGrid(
  shape: Dims3,
  patch: Dims3,
  step: number,
): readonly [WindowAxis, WindowAxis, WindowAxis] {
  const axis = (a: number) => windowAxis(shape[a], patch[a], step);
  return [axis(0), axis(1), axis(2)];
}
