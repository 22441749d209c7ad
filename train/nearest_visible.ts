import type { Dims3 } from "../data/volume.ts";

const FAR = 2 ** 40; // squared distance of a line without a visible voxel; above any real one, exact in float64

/**
 * For every voxel the flat index of the nearest visible voxel in Euclidean distance (voxel units); a visible voxel is its own.
 * Among equally near ones the smallest index wins, so the result is unique. Linear in the number of voxels.
 *
 * Separable exact feature transform, one pass per axis over lower envelopes of parabolas.
 * Source: Meijster, Roerdink and Hesselink 2000, "A general algorithm for computing distance transforms in linear time";
 * Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions".
 *
 * @param visible `[D * H * W]`, 1 = visible, 0 = hidden
 * @returns `[D * H * W]`; all -1 when nothing is visible
 */
export function nearestVisible(visible: ArrayLike<number>, shape: Dims3): Int32Array<ArrayBuffer> {
  const [depth, height, width] = shape;
  const feature = new Int32Array(depth * height * width).fill(-1);
  const squared = new Float64Array(feature.length).fill(FAR);
  for (let start = 0; start < feature.length; start += width) {
    rowPass(visible, start, width, feature, squared);
  }
  const longest = Math.max(depth, height);
  const line = new EnvelopeLine(longest);
  for (let d = 0; d < depth; d++) {
    for (let w = 0; w < width; w++) line.pass(feature, squared, d * height * width + w, width, height);
  }
  for (let offset = 0; offset < height * width; offset++) {
    line.pass(feature, squared, offset, height * width, depth);
  }
  return feature;
}

/** Nearest visible voxel within one row, the lower index first in a tie. */
function rowPass(
  visible: ArrayLike<number>,
  start: number,
  width: number,
  feature: Int32Array,
  squared: Float64Array,
): void {
  let last = -1;
  for (let w = 0; w < width; w++) {
    if (visible[start + w] === 1) last = w;
    if (last < 0) continue;
    feature[start + w] = start + last;
    squared[start + w] = (w - last) * (w - last);
  }
  last = -1;
  for (let w = width - 1; w >= 0; w--) {
    if (visible[start + w] === 1) last = w;
    if (last < 0 || (last - w) * (last - w) >= squared[start + w]) continue;
    feature[start + w] = start + last;
    squared[start + w] = (last - w) * (last - w);
  }
}

/** Scratch memory of the envelope along one line of voxels. */
class EnvelopeLine {
  readonly #site: Int32Array;
  readonly #from: Int32Array;
  readonly #squared: Float64Array;
  readonly #feature: Int32Array;

  constructor(longest: number) {
    this.#site = new Int32Array(longest);
    this.#from = new Int32Array(longest);
    this.#squared = new Float64Array(longest);
    this.#feature = new Int32Array(longest);
  }

  /** Extends distances along one line: minimum over u of (x - u)^2 + squared[u], the lowest u in a tie. */
  pass(feature: Int32Array, squared: Float64Array, offset: number, stride: number, length: number): void {
    const site = this.#site, from = this.#from, g = this.#squared, sources = this.#feature;
    let top = -1;
    for (let u = 0, at = offset; u < length; u++, at += stride) {
      g[u] = squared[at];
      sources[u] = feature[at];
      if (g[u] === FAR) continue;
      let begin = 0;
      while (top >= 0) {
        const s = site[top], t = from[top];
        if ((t - s) * (t - s) + g[s] > (t - u) * (t - u) + g[u]) {
          top--; // nowhere the nearest any more
          continue;
        }
        // first position where u is strictly nearer than s
        begin = 1 + Math.floor((u * u - s * s + g[u] - g[s]) / (2 * (u - s)));
        break;
      }
      if (begin >= length) continue;
      top++;
      site[top] = u;
      from[top] = begin;
    }
    if (top < 0) return;
    for (let x = length - 1; x >= 0; x--) {
      const u = site[top];
      feature[offset + x * stride] = sources[u];
      squared[offset + x * stride] = (x - u) * (x - u) + g[u];
      if (x === from[top]) top--;
    }
  }
}
