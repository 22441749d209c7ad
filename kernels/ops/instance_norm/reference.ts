/** Float64 instance norm forward and backward, plain loops. */
import type { InstanceNormAttrs } from "./inputs.ts";

/** Inputs of the forward pass; null where absent. */
export interface NormForwardInputs {
  readonly x: Float64Array;
  readonly gamma: Float64Array | null;
  readonly beta: Float64Array | null;
  readonly residual: Float64Array | null;
  readonly mask: Float64Array | null;
}

/** Inputs of the backward pass; null where absent. */
export interface NormBackwardInputs {
  readonly x: Float64Array;
  readonly statistics: Float64Array;
  readonly dy: Float64Array;
  readonly y: Float64Array | null;
  readonly mask: Float64Array | null;
}

/** Returns y and statistics `[N, C, 4]`. */
export function normForward(
  shape: readonly number[],
  attrs: InstanceNormAttrs,
  t: NormForwardInputs,
): [Float64Array, Float64Array] {
  const [n, c, d, h, w] = shape;
  const voxels = d * h * w;
  const y = new Float64Array(t.x.length);
  const statistics = new Float64Array(n * c * 4);
  for (let nc = 0; nc < n * c; nc++) {
    const start = nc * voxels;
    const maskStart = Math.floor(nc / c) * voxels;
    const visible = (v: number) => t.mask === null || t.mask[maskStart + v] > 0.5;
    let count = 0;
    let sum = 0;
    for (let v = 0; v < voxels; v++) {
      if (!visible(v)) continue;
      count++;
      sum += t.x[start + v];
    }
    const mean = count > 0 ? sum / count : 0;
    let squares = 0;
    for (let v = 0; v < voxels; v++) if (visible(v)) squares += (t.x[start + v] - mean) ** 2;
    const inv = 1 / Math.sqrt(squares / Math.max(count, 1) + attrs.eps);
    const gamma = t.gamma ? t.gamma[nc % c] : 1;
    statistics.set([mean, inv, count, gamma], nc * 4);
    const beta = t.beta ? t.beta[nc % c] : 0;
    for (let v = 0; v < voxels; v++) {
      let value = visible(v) ? gamma * (t.x[start + v] - mean) * inv + beta : 0;
      if (t.residual) value += t.residual[start + v];
      y[start + v] = value > 0 ? value : attrs.slope * value;
    }
  }
  return [y, statistics];
}

/** Returns dx, dgamma and dbeta `[C]`, and `g = dy * lrelu'(y)`. */
export function normBackward(
  shape: readonly number[],
  attrs: InstanceNormAttrs,
  t: NormBackwardInputs,
): { dx: Float64Array; dgamma: Float64Array; dbeta: Float64Array; g: Float64Array } {
  const [n, c, d, h, w] = shape;
  const voxels = d * h * w;
  const dx = new Float64Array(t.x.length);
  const g = t.dy.map((v, i) => t.y && !(t.y[i] > 0) ? attrs.slope * v : v);
  const dgamma = new Float64Array(c);
  const dbeta = new Float64Array(c);
  for (let nc = 0; nc < n * c; nc++) {
    const start = nc * voxels;
    const maskStart = Math.floor(nc / c) * voxels;
    const visible = (v: number) => t.mask === null || t.mask[maskStart + v] > 0.5;
    const [mean, inv, count, gamma] = t.statistics.subarray(nc * 4, nc * 4 + 4);
    let total = 0;
    let projected = 0;
    for (let v = 0; v < voxels; v++) {
      if (!visible(v)) continue;
      total += g[start + v];
      projected += g[start + v] * (t.x[start + v] - mean) * inv;
    }
    dbeta[nc % c] += total;
    dgamma[nc % c] += projected;
    for (let v = 0; v < voxels; v++) {
      if (!visible(v)) continue;
      const xh = (t.x[start + v] - mean) * inv;
      dx[start + v] = gamma * inv * (g[start + v] - total / count - xh * projected / count);
    }
  }
  return { dx, dgamma, dbeta, g };
}
