/**
 * Differences a - b of paired values; pairs with an undefined value are left out.
 *
 * @throws {RangeError} when the numbers of values differ
 */
export function pairedDifferences(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot pair values: found ${a.length} and ${b.length}, wanted as many, in the same order of cases`,
    );
  }
  return a.map((value, i) => value - b[i]).filter((difference) => !Number.isNaN(difference));
}
