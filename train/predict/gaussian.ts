import type { Dims3 } from "../../kernels/spec.ts";

/** Standard deviation of a window's Gaussian as a share of the patch. */
const SIGMA_SHARE = 1 / 8;
/** Standard deviations at which the kernel is cut. */
const TRUNCATE = 4;

/**
 * Weight of a window's voxels along one axis: a Gaussian around voxel `floor(patch / 2)` with sigma = patch / 8, largest 1.
 *
 * The kernel is cut at 4 sigma, rounded to whole voxels, which is half the patch: no weight is zero.
 *
 * @returns `[patch]`
 * Source: `compute_gaussian` of nnU-Net v2 (scipy.ndimage.gaussian_filter of a unit impulse)
 */
export function gaussianAxis(patch: number): Float64Array {
  const sigma = patch * SIGMA_SHARE, centre = Math.floor(patch / 2);
  const reach = Math.floor(TRUNCATE * sigma + 0.5);
  return Float64Array.from({ length: patch }, (_, i) => {
    const away = Math.abs(i - centre);
    return away > reach ? 0 : Math.exp(-0.5 * (away / sigma) ** 2);
  });
}

/**
 * Weights of a window, the product of those of its axes, scaled to a maximum.
 *
 * Prediction itself needs no map: see `windowAxis`. The scale drops out where weights are divided by their sum; it matters where
 * they are stored in 16 bits, as nnU-Net does.
 *
 * @param maximum weight of the centre, 10 in nnU-Net
 * @returns `[...patch]`
 */
export function gaussianMap(patch: Dims3, maximum = 10): Float32Array {
  const [a, b, c] = patch.map(gaussianAxis);
  const map = new Float32Array(patch[0] * patch[1] * patch[2]);
  let at = 0;
  for (const z of a) for (const y of b) for (const x of c) map[at++] = maximum * z * y * x;
  return map;
}
