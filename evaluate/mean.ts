/** Mean of the values that are not NaN, added in order; NaN when there is none. */
export function nanMean(values: Iterable<number>): number {
  let sum = 0, count = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return sum / count;
}

/** Standard deviation with denominator n, or n - 1 with `sample`; NaN values are left out. */
export function standardDeviation(values: readonly number[], sample = false): number {
  const defined = values.filter((value) => !Number.isNaN(value));
  const mean = nanMean(defined);
  const squares = defined.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (defined.length - (sample ? 1 : 0)));
}

/**
 * Percentile with linear interpolation between the two nearest values (numpy's default), NaN values left out.
 *
 * @param percent in [0, 100]
 * @returns NaN when there is no value
 */
export function percentile(values: Iterable<number>, percent: number): number {
  const sorted = Float64Array.from(values).filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length === 0) return NaN;
  const place = percent / 100 * (sorted.length - 1);
  const low = Math.floor(place), part = place - low;
  return part === 0 ? sorted[low] : sorted[low] + part * (sorted[low + 1] - sorted[low]);
}
