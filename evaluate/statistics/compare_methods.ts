import { type BootstrapInterval, bootstrapInterval, type BootstrapOptions } from "./bootstrap_interval.ts";
import { pairedDifferences } from "./paired.ts";
import { permutationTest } from "./permutation.ts";
import { type PairedTest, wilcoxonSignedRank } from "./wilcoxon.ts";

/** Two methods on the same cases. */
export interface MethodComparison {
  /** Mean of the paired differences a - b and its bootstrap interval. */
  readonly difference: BootstrapInterval;
  readonly wilcoxon: PairedTest;
  readonly permutation: PairedTest;
  /** Cases in which a is better than b, equal, and worse. */
  readonly wins: number;
  readonly draws: number;
  readonly losses: number;
}

/**
 * Compares two methods by their scores on the same cases.
 *
 * @param a scores of the first method, one a case; undefined ones leave the case out
 * @param b scores of the second method, in the same order of cases
 * @throws {RangeError} when the numbers of scores differ
 */
export function compareMethods(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): MethodComparison {
  const differences = pairedDifferences(a, b);
  return {
    difference: bootstrapInterval(differences, options),
    wilcoxon: wilcoxonSignedRank(differences),
    permutation: permutationTest(differences, { seed: options.seed }),
    wins: differences.filter((value) => value > 0).length,
    draws: differences.filter((value) => value === 0).length,
    losses: differences.filter((value) => value < 0).length,
  };
}
