/**
 * Percentile of sorted values, linear between neighbours.
 *
 * @param sorted ascending, at least one
 * @param percent 0 to 100
 * Source: the default method of `numpy.percentile`
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const at = percent / 100 * (sorted.length - 1), below = Math.floor(at);
  return between(sorted[below], sorted[Math.min(below + 1, sorted.length - 1)], at - below);
}

/** Value a share of the way from `low` to `high`, computed from the nearer end as numpy does. */
export function between(low: number, high: number, share: number): number {
  return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
}

/** Median of numbers in any order. */
export function median(values: Iterable<number>): number {
  return percentile([...values].sort((a, b) => a - b), 50);
}
