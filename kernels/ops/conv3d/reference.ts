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

/** `y[n,o,p] = b[o] + sum_{i,k} w[o,i,k] x[n,i,s p + k - pad]`. */
export function convForward(
  x: Float64Array,
  w: Float64Array,
  b: Float64Array | undefined,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const [inVoxels, outVoxels, taps] = [volumeOf(s.inSize), volumeOf(s.outSize), volumeOf(g.kernel)];
  const y = new Float64Array(s.n * s.outChannels * outVoxels);
  for (let n = 0; n < s.n; n++) {
    for (let o = 0; o < s.outChannels; o++) {
      const yo = (n * s.outChannels + o) * outVoxels;
      if (b) y.fill(b[o], yo, yo + outVoxels);
      for (let i = 0; i < s.inChannels; i++) {
        const xi = (n * s.inChannels + i) * inVoxels;
        const wi = (o * s.inChannels + i) * taps;
        forEachTap(s.outSize, s.inSize, g, (out, input, tap) => {
          y[yo + out] += w[wi + tap] * x[xi + input];
        });
      }
    }
  }
  return y;
}

/** `dx`: every output gradient goes back along the taps it came from. */
export function convInputGradient(
  dy: Float64Array,
  w: Float64Array,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const [inVoxels, outVoxels, taps] = [volumeOf(s.inSize), volumeOf(s.outSize), volumeOf(g.kernel)];
  const dx = new Float64Array(s.n * s.inChannels * inVoxels);
  for (let n = 0; n < s.n; n++) {
    for (let o = 0; o < s.outChannels; o++) {
      for (let i = 0; i < s.inChannels; i++) {
        const yo = (n * s.outChannels + o) * outVoxels;
        const xi = (n * s.inChannels + i) * inVoxels;
        const wi = (o * s.inChannels + i) * taps;
        forEachTap(s.outSize, s.inSize, g, (out, input, tap) => {
          dx[xi + input] += w[wi + tap] * dy[yo + out];
        });
      }
    }
  }
  return dx;
}

/** `dw[o,i,k] = sum_{n,p} dy[n,o,p] x[n,i,s p + k - pad]`. */
export function convWeightGradient(
  x: Float64Array,
  dy: Float64Array,
  s: ConvSizes,
  g: ConvGeometry,
): Float64Array {
  const [inVoxels, outVoxels, taps] = [volumeOf(s.inSize), volumeOf(s.outSize), volumeOf(g.kernel)];
  const dw = new Float64Array(s.outChannels * s.inChannels * taps);
  for (let n = 0; n < s.n; n++) {
    for (let o = 0; o < s.outChannels; o++) {
      for (let i = 0; i < s.inChannels; i++) {
        const yo = (n * s.outChannels + o) * outVoxels;
        const xi = (n * s.inChannels + i) * inVoxels;
        const wi = (o * s.inChannels + i) * taps;
        forEachTap(s.outSize, s.inSize, g, (out, input, tap) => {
          dw[wi + tap] += dy[yo + out] * x[xi + input];
        });
      }
    }
  }
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
