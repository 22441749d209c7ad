/**
 * Probability that a standard normal variable exceeds x in absolute value.
 *
 * Complementary error function by its continued fraction (large x) or series (small x), about 1e-14 relative; Abramowitz and Stegun 7.1.5, 7.1.14.
 */
export function twoSidedNormal(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  if (z > 26) return 0;
  if (z < 2) {
    let term = z, sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum && n < 200; n++) {
      term *= -z * z / n;
      sum += term / (2 * n + 1);
    }
    return 1 - 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = z;
  for (let n = 200; n > 0; n--) fraction = z + n / 2 / fraction;
  return Math.exp(-z * z) / (Math.sqrt(Math.PI) * fraction);
}
