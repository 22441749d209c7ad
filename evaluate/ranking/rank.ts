/** How equal scores are ranked: all get the mean of their ranks, or all get the smallest one. */
export type Ties = "average" | "min";

/** How to rank. */
export interface RankOptions {
  /** "average" when left out. */
  readonly ties?: Ties;
  /** Whether a higher or a lower score is better; "higher" when left out. */
  readonly better?: "higher" | "lower";
}

/**
 * Ranks of scores, 1 = best; NaN counts as the worst and ties with NaN.
 *
 * @returns `[scores]`
 */
export function rank(scores: ArrayLike<number>, options: RankOptions = {}): number[] {
  const { ties = "average", better = "higher" } = options;
  const worst = better === "higher" ? -Infinity : Infinity;
  const value = (i: number) => Number.isNaN(scores[i]) ? worst : scores[i];
  const order = Array.from({ length: scores.length }, (_, i) => i)
    .sort((a, b) => value(a) === value(b) ? 0 : (value(a) < value(b)) === (better === "higher") ? 1 : -1);
  const ranks = new Array<number>(scores.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && value(order[end]) === value(order[first])) end++;
    const shared = ties === "min" ? first + 1 : (first + 1 + end) / 2;
    for (; first < end; first++) ranks[order[first]] = shared;
  }
  return ranks;
}
