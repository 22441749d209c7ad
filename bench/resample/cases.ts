import type { Dims3 } from "../../data/volume.ts";

/** One volume to resample, arrays in order z, y, x. */
export interface ResampleCase {
  readonly name: string;
  readonly shape: Dims3;
  /** mm */
  readonly spacing: Dims3;
  readonly newSpacing: Dims3;
}

/** A finely sampled head, and thick slices along the first and the last axis; all to 1 mm. */
export const CASES: readonly ResampleCase[] = [
  { name: "isotropic", shape: [181, 217, 181], spacing: [0.88, 0.88, 0.88], newSpacing: [1, 1, 1] },
  { name: "thick-axial", shape: [256, 256, 256], spacing: [5, 1.2, 1.2], newSpacing: [1, 1, 1] },
  { name: "thick-sagittal", shape: [256, 256, 256], spacing: [1.2, 1.2, 5], newSpacing: [1, 1, 1] },
];

/** A smooth head-like bump with noise on it, so that values overshoot somewhere and clamping matters. `[D, H, W]` */
export function caseImage({ shape: [d, h, w] }: ResampleCase): Float32Array {
  const image = new Float32Array(d * h * w);
  const bump = (at: number, size: number) => Math.sin(Math.PI * (at + 0.5) / size);
  let i = 0, noise = 12345;
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      const height = 400 * bump(z, d) * bump(y, h);
      for (let x = 0; x < w; x++, i++) {
        noise = (Math.imul(noise, 1664525) + 1013904223) >>> 0; // Numerical Recipes' linear congruential generator
        image[i] = height * bump(x, w) + 40 * (noise / 2 ** 32 - 0.5);
      }
    }
  }
  return image;
}
