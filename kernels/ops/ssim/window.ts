/** The Gaussian window of SSIM. */

/**
 * Weights of a 1D Gaussian window, sum 1, rounded to float32 as the kernels use them.
 *
 * @param size number of taps, odd
 * @param sigma standard deviation in voxels
 * @returns `[size]`
 * Source: Wang et al. 2004 (doi:10.1109/TIP.2003.819861), section III-B.
 */
export function gaussianWindow(size: number, sigma: number): readonly number[] {
  const centre = Math.floor(size / 2);
  const raw = Array.from({ length: size }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * sigma * sigma)));
  const sum = raw.reduce((a, b) => a + b, 0);
  return raw.map((v) => Math.fround(v / sum));
}
