/** What resizing one axis multiplies with: a table of input positions and weights, made on the host in float64. */

/** Order of interpolation: 0 nearest, 1 linear, 3 cubic B-spline. */
export type ResizeOrder = 0 | 1 | 3;

/** Input positions and weights of every output sample along an axis. */
export interface AxisTable {
  /** Weights of one output sample. */
  readonly taps: number;
  /** Position of each output sample's first weight; positions beyond the ends stand for the edge samples. `[size]` */
  readonly first: Int32Array<ArrayBuffer>;
  /** `[size, taps]`; those of one sample add up to 1 */
  readonly weights: Float32Array<ArrayBuffer>;
}

/** Pole of the cubic B-spline's recursive filter. */
const POLE = Math.sqrt(3) - 2;
/** Samples on either side of the four nearest that spline coefficients are made from; the next would weigh 5e-9. */
const REACH = 14;

/**
 * Positions and weights that resize an axis without anti-aliasing, edges replicated: output sample o lies at input coordinate
 * `(o + 1/2) * inputSize / size - 1/2`.
 *
 * Cubic: pre-filter and B-spline are both linear, so that their product is a sum over samples; the filter's response is
 * `sqrt(3) * pole^|k|`, cut after 14 samples, and weights are scaled to add up to 1.
 *
 * @param inputSize samples before, `size` after
 * Source: Unser, Aldroubi and Eden 1993 (doi:10.1109/78.193220); B-spline weights: Unser 1999, eq. 4
 */
export function axisTable(inputSize: number, size: number, order: ResizeOrder): AxisTable {
  const taps = order === 3 ? 4 + 2 * REACH : order + 1;
  const first = new Int32Array(size);
  const weights = new Float32Array(size * taps);
  for (let o = 0; o < size; o++) {
    const at = (o + 0.5) * (inputSize / size) - 0.5;
    if (order === 0) {
      first[o] = Math.floor(at + 0.5);
      weights[o] = 1;
      continue;
    }
    const lower = Math.floor(at), t = at - lower;
    first[o] = order === 1 ? lower : lower - 1 - REACH;
    weights.set(order === 1 ? [1 - t, t] : splineWeights(t), o * taps);
  }
  return { taps, first, weights };
}

/** Weights of the samples from `REACH + 1` before to `REACH + 2` after, for a point `t` in [0, 1) behind a sample. */
function splineWeights(t: number): number[] {
  const u = 1 - t;
  const spline = [u ** 3, t * t * (t - 2) * 3 + 4, u * u * (u - 2) * 3 + 4, t ** 3];
  const weights = Array.from(
    { length: 4 + 2 * REACH },
    (_, i) => spline.reduce((sum, weight, j) => sum + weight * POLE ** Math.abs(i - REACH - j), 0),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
