/** Float64 convolution forward and backward, plain loops. Layouts: x [N,I,...], y [N,O,...], w [O,I,kd,kh,kw]. */
import type { Dims3 } from "../../spec.ts";
import { type ConvGeometry, forEachTap, volumeOf } from "./geometry.ts";

/** Sizes of one convolution. */
export interface ConvSizes {
  readonly n: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly inSize: Dims3;
  readonly outSize: Dims3;
}

/** Calls `visit` for every sample, output and input channel and every pair of voxels that a tap joins, with flat indices. */
function forEachProduct(
  s: ConvSizes,
  g: ConvGeometry,
  visit: (y: number, x: number, w: number) => void,
): void {
  const [inVoxels, outVoxels, taps] = [volumeOf(s.inSize), volumeOf(s.outSize), volumeOf(g.kernel)];
  for (let n = 0; n < s.n; n++) {
    for (let o = 0; o < s.outChannels; o++) {
      for (let i = 0; i < s.inChannels; i++) {
        const y = (n * s.outChannels + o) * outVoxels;
        const x = (n * s.inChannels + i) * inVoxels;
        const w = (o * s.inChannels + i) * taps;
        forEachTap(s.outSize, s.inSize, g, (out, input, tap) => visit(y + out, x + input, w + tap));
      }
    }
  }
}

/** `y[n,o,p] = b[o] + sum_{i,k} w[o,i,k] x[n,i,s p + k - pad]`. */
export function convForward(
  x: Float64Array,
  w: Float64Array,
  b: Float64Array | undefined,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const voxels = volumeOf(s.outSize);
  const y = new Float64Array(s.n * s.outChannels * voxels);
  if (b) y.forEach((_, i) => y[i] = b[Math.floor(i / voxels) % s.outChannels]);
  forEachProduct(s, g, (iy, ix, iw) => y[iy] += w[iw] * x[ix]);
  return y;
}

/** `dx`: every output gradient goes back along the taps it came from. */
export function convInputGradient(
  dy: Float64Array,
  w: Float64Array,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const dx = new Float64Array(s.n * s.inChannels * volumeOf(s.inSize));
  forEachProduct(s, g, (iy, ix, iw) => dx[ix] += w[iw] * dy[iy]);
  return dx;
}

/** `dw[o,i,k] = sum_{n,p} dy[n,o,p] x[n,i,s p + k - pad]`. */
export function convWeightGradient(
  x: Float64Array,
  dy: Float64Array,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const dw = new Float64Array(s.outChannels * s.inChannels * volumeOf(g.kernel));
  forEachProduct(s, g, (iy, ix, iw) => dw[iw] += dy[iy] * x[ix]);
  return dw;
}

/** `db[o] = sum_{n,p} dy[n,o,p]`. */
export function convBiasGradient(
  dy: Float64Array,
  n: number,
  channels: number,
  voxels: number,
): Float64Array {
  const db = new Float64Array(channels);
  for (let sample = 0; sample < n; sample++) {
    for (let o = 0; o < channels; o++) {
      const start = (sample * channels + o) * voxels;
      for (let p = 0; p < voxels; p++) db[o] += dy[start + p];
    }
  }
  return db;
}
