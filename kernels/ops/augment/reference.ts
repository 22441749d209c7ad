/** Float64 affine resampling, plain loops. */
import type { Dims3 } from "../../spec.ts";
import { POLE } from "./spline_filter.wgsl.ts";
import { TRANSFORM_AT } from "./transform.ts";

/** Mirrors an index about the first and the last sample. */
export function mirror(i: number, n: number): number {
  if (n === 1) return 0;
  const folded = Math.abs(i) % (2 * n - 2);
  return folded < n ? folded : 2 * n - 2 - folded;
}

/** Cubic B-spline coefficients of one line under mirror boundaries, exact start values. */
function filterLine(line: Float64Array): void {
  const n = line.length;
  if (n === 1) return;
  const period = 2 * n - 2;
  let start = 0;
  for (let k = 0; k < period; k++) start += POLE ** k * line[mirror(k, n)];
  line.forEach((v, i) => line[i] = 6 * v);
  line[0] = 6 * start / (1 - POLE ** period);
  for (let i = 1; i < n; i++) line[i] += POLE * line[i - 1];
  line[n - 1] = POLE / (POLE * POLE - 1) * (POLE * line[n - 2] + line[n - 1]);
  for (let i = n - 2; i >= 0; i--) line[i] = POLE * (line[i + 1] - line[i]);
}

/** Coefficients of one volume, `[D, H, W]`. */
export function splineCoefficients(x: Float64Array, [d, h, w]: Dims3): Float64Array {
  const c = x.slice();
  const along = (length: number, step: number, starts: number[]) => {
    for (const start of starts) {
      const line = Float64Array.from({ length }, (_, i) => c[start + i * step]);
      filterLine(line);
      line.forEach((v, i) => c[start + i * step] = v);
    }
  };
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  along(w, 1, range(d * h).map((i) => i * w));
  along(h, w, range(d).flatMap((z) => range(w).map((i) => z * h * w + i)));
  along(d, h * w, range(h * w));
  return c;
}

/** First index and weights of the samples that a coordinate needs. */
function taps(q: number, order: 1 | 3): { first: number; weights: number[] } {
  const low = Math.floor(q);
  const t = q - low;
  const u = 1 - t;
  if (order === 1) return { first: low, weights: [u, t] };
  const inner = (s: number) => 2 / 3 - s * s + s ** 3 / 2;
  return { first: low - 1, weights: [u ** 3 / 6, inner(t), inner(u), t ** 3 / 6] };
}

/** Value at q of coefficients (order 3) or samples (order 1), 0 outside `[0, size - 1]`. */
function valueAt(c: Float64Array, size: Dims3, q: readonly number[], order: 1 | 3): number {
  if (q.some((v, axis) => !(v >= 0 && v <= size[axis] - 1))) return 0;
  const [z, y, x] = q.map((v) => taps(v, order));
  let sum = 0;
  z.weights.forEach((wz, i) =>
    y.weights.forEach((wy, j) =>
      x.weights.forEach((wx, k) => {
        const [a, b, l] = [z.first + i, y.first + j, x.first + k].map((v, axis) => mirror(v, size[axis]));
        sum += wz * wy * wx * c[(a * size[1] + b) * size[2] + l];
      })
    )
  );
  return sum;
}

/** One channel of one sample: `x` `[P..]`, `transform` 16 numbers, result `[F..]`. */
export function resampleVolume(
  x: Float64Array,
  crop: Dims3,
  patch: Dims3,
  transform: Float64Array,
  order: 1 | 3,
): Float64Array {
  const interpolate = transform[TRANSFORM_AT.interpolate] !== 0;
  const c = interpolate && order === 3 ? splineCoefficients(x, crop) : x;
  const y = new Float64Array(patch[0] * patch[1] * patch[2]);
  let at = 0;
  for (let z = 0; z < patch[0]; z++) {
    for (let row = 0; row < patch[1]; row++) {
      for (let column = 0; column < patch[2]; column++) {
        const o = [z, row, column].map((v, axis) =>
          transform[TRANSFORM_AT.mirror + axis] > 0.5 ? patch[axis] - 1 - v : v
        );
        if (interpolate) {
          const q = crop.map((extent, axis) =>
            extent / 2 - 0.5 +
            o.reduce((sum, v, k) => sum + transform[3 * axis + k] * (v - (patch[k] - 1) / 2), 0)
          );
          y[at++] = valueAt(c, crop, q, order);
        } else {
          const s = o.map((v, axis) => v + Math.floor((crop[axis] - patch[axis]) / 2));
          y[at++] = x[(s[0] * crop[1] + s[1]) * crop[2] + s[2]];
        }
      }
    }
  }
  return y;
}
