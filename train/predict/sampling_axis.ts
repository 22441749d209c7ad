import { linearTaps, nearestIndices } from "../../data/spline_axis.ts";
import { type ResampleOptions, separateZ } from "../../data/resample.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { WindowAxis } from "./windows.ts";

/** Which logits every output sample of an axis is made of. */
export interface SamplingAxis {
  /** Output samples. */
  readonly size: number;
  /** Positions in the padded volume. `[size]` */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weight of the second position. `[size]` */
  readonly fraction: Float32Array;
  /** Whether two positions are mixed; otherwise the first is taken. */
  readonly linear: boolean;
}

/** How logits come to the grid of the case. */
export interface LogitResampling {
  /** `[D, H, W]` wanted. */
  readonly shape: Dims3;
  /** mm of the logits, and of the wanted grid: they only decide about separate resampling. */
  readonly spacing: Dims3;
  readonly newSpacing: Dims3;
  /** Order 1 and order_z 0 when left out, as in nnU-Net. */
  readonly options?: Pick<ResampleOptions, "forceSeparateZ"> & {
    readonly order?: 0 | 1;
    readonly orderZ?: 0 | 1;
  };
}

/**
 * Positions and weights that take logits from the padded network grid to the grid of the case.
 *
 * An interpolation of order 1 mixes neighbours and stays within their range, so that axes need no order and nothing is clamped.
 *
 * Source: `resample_data_or_seg_to_shape` of nnU-Net v2 (order 1, order_z 0 for probabilities)
 */
export function samplingAxes(
  windows: readonly [WindowAxis, WindowAxis, WindowAxis],
  { shape, spacing, newSpacing, options = {} }: LogitResampling,
): readonly [SamplingAxis, SamplingAxis, SamplingAxis] {
  const { axis: apart } = separateZ(spacing, newSpacing, options.forceSeparateZ ?? null);
  const axis = (a: 0 | 1 | 2) =>
    samplingAxis(windows[a], shape[a], apart === a ? options.orderZ ?? 0 : options.order ?? 1);
  return [axis(0), axis(1), axis(2)];
}

function samplingAxis({ size, before }: WindowAxis, output: number, order: 0 | 1): SamplingAxis {
  if (order === 0 || size === output) {
    const first = nearestIndices(size, output).map((at) => at + before);
    return { size: output, first, second: first, fraction: new Float32Array(output), linear: false };
  }
  const { first: padded, weights } = linearTaps(size, output);
  const inside = (at: number) => Math.min(Math.max(at, 0), size - 1) + before;
  return {
    size: output,
    first: padded.map((at) => inside(at - 1)),
    second: padded.map((at) => inside(at)),
    fraction: Float32Array.from({ length: output }, (_, o) => weights[2 * o + 1]),
    linear: true,
  };
}
