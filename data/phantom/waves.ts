import type { Dims3 } from "../volume.ts";
import type { Rng } from "../random.ts";

/** A sum of random plane waves: a smooth Gaussian-like random field of variance 1. */
export interface WaveField {
  /** `[waves, 5]`: kx, ky, kz in radians per unit length, phase, amplitude */
  readonly waves: Float64Array;
}

/** Draws a field whose structures have about the given wavelengths (same unit as the coordinates). */
export function drawWaves(rng: Rng, count: number, shortest: number, longest: number): WaveField {
  const waves = new Float64Array(count * 5);
  for (let i = 0; i < count; i++) {
    const x = rng.normal(), y = rng.normal(), z = rng.normal();
    const k = 2 * Math.PI / (shortest + (longest - shortest) * rng.uniform()) / Math.hypot(x, y, z);
    waves.set([x * k, y * k, z * k, 2 * Math.PI * rng.uniform(), Math.sqrt(2 / count)], i * 5);
  }
  return { waves };
}

/** Value of the field at a point. */
export function waveValue({ waves }: WaveField, x: number, y: number, z: number): number {
  let value = 0;
  for (let i = 0; i < waves.length; i += 5) {
    value += waves[i + 4] * Math.cos(waves[i] * x + waves[i + 1] * y + waves[i + 2] * z + waves[i + 3]);
  }
  return value;
}

/** Adds the gradient of the field at a point to `gradient` and returns its value. */
export function waveGradient(
  { waves }: WaveField,
  x: number,
  y: number,
  z: number,
  gradient: Float64Array,
): number {
  let value = 0;
  for (let i = 0; i < waves.length; i += 5) {
    const angle = waves[i] * x + waves[i + 1] * y + waves[i + 2] * z + waves[i + 3];
    const slope = -waves[i + 4] * Math.sin(angle);
    gradient[0] += slope * waves[i];
    gradient[1] += slope * waves[i + 1];
    gradient[2] += slope * waves[i + 2];
    value += waves[i + 4] * Math.cos(angle);
  }
  return value;
}

/**
 * Several smooth functions sampled on a coarse lattice over a voxel grid and read back row by row with trilinear
 * interpolation: far cheaper than evaluating them at every voxel.
 */
export class CoarseFields {
  readonly #counts: Dims3;
  readonly #steps: Dims3;
  readonly #values: Float32Array;
  readonly #row: Float32Array;

  /**
   * @param shape voxel grid `[D, H, W]`
   * @param steps voxels between lattice nodes, per axis
   * @param channels number of functions
   * @param evaluate writes all channels at voxel position (d, h, w) to `out`
   */
  constructor(
    shape: Dims3,
    steps: Dims3,
    readonly channels: number,
    evaluate: (d: number, h: number, w: number, out: Float64Array) => void,
  ) {
    this.#steps = steps;
    this.#counts = [0, 1, 2].map((axis) =>
      Math.ceil((shape[axis] - 1) / steps[axis]) + 2
    ) as unknown as Dims3;
    const [nd, nh, nw] = this.#counts;
    this.#values = new Float32Array(nd * nh * nw * channels);
    this.#row = new Float32Array(nw * channels);
    const out = new Float64Array(channels);
    for (let d = 0, at = 0; d < nd; d++) {
      for (let h = 0; h < nh; h++) {
        for (let w = 0; w < nw; w++, at += channels) {
          evaluate(d * steps[0], h * steps[1], w * steps[2], out);
          this.#values.set(out, at);
        }
      }
    }
  }

  /** Prepares row (d, h): interpolates along the first two axes. */
  selectRow(d: number, h: number): void {
    const [, nh, nw] = this.#counts, length = nw * this.channels;
    const pd = Math.floor(d / this.#steps[0]), ph = Math.floor(h / this.#steps[1]);
    const fd = d / this.#steps[0] - pd, fh = h / this.#steps[1] - ph;
    const a = (pd * nh + ph) * length, b = a + length, c = a + nh * length, e = c + length, v = this.#values;
    for (let i = 0; i < length; i++) {
      const near = v[a + i] + fh * (v[b + i] - v[a + i]), far = v[c + i] + fh * (v[e + i] - v[c + i]);
      this.#row[i] = near + fd * (far - near);
    }
  }

  /** Reads all channels at voxel w of the selected row. */
  read(w: number, out: Float64Array): void {
    const p = Math.floor(w / this.#steps[2]), f = w / this.#steps[2] - p, n = this.channels, row = this.#row;
    for (let i = 0, a = p * n, b = a + n; i < n; i++, a++, b++) out[i] = row[a] + f * (row[b] - row[a]);
  }

  /** Reads channel 0 only at voxel w of the selected row. */
  readFirst(w: number): number {
    const p = Math.floor(w / this.#steps[2]),
      f = w / this.#steps[2] - p,
      a = p * this.channels,
      row = this.#row;
    return row[a] + f * (row[a + this.channels] - row[a]);
  }
}
