/**
 * Kendall's tau-b of two rankings (or scores) of the same items: 1 for the same order, -1 for the reverse, ties taken into account.
 *
 * Formula: Kendall 1945, (concordant - discordant) / sqrt((pairs - ties in a) (pairs - ties in b)).
 *
 * @returns NaN when all items of one ranking are tied
 * @throws {RangeError} when the numbers of items differ
 */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw new RangeError(`Cannot compare rankings: found ${a.length} and ${b.length} items, wanted the same`);
  }
  let balance = 0, pairsA = 0, pairsB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const first = Math.sign(a[i] - a[j]), second = Math.sign(b[i] - b[j]);
      balance += first * second;
      pairsA += Math.abs(first);
      pairsB += Math.abs(second);
    }
  }
  return balance / Math.sqrt(pairsA * pairsB);
}
