import { rank } from "../ranking/rank.ts";
import { twoSidedNormal } from "./normal.ts";

/** Result of a paired test. */
export interface PairedTest {
  /** Two-sided probability of a statistic at least as extreme when both methods are equally good. */
  readonly p: number;
  /** Pairs that have a say. */
  readonly count: number;
  /** True when `p` is that of all arrangements, false for an approximation. */
  readonly exact: boolean;
}

/** Most pairs for which all arrangements of signs are counted. */
const EXACT_LIMIT = 50;

/**
 * Wilcoxon signed-rank test of paired differences, two-sided.
 *
 * Zero differences are left out; ties share their mean rank. Up to 50 pairs the distribution over all 2^n signs is computed, ties included;
 * beyond, the normal approximation with correction for ties.
 *
 * @param differences one a case
 * Source: Wilcoxon 1945; ties and zeros as Pratt 1959 calls Wilcoxon's own treatment
 */
export function wilcoxonSignedRank(differences: readonly number[]): PairedTest {
  const values = differences.filter((value) => value !== 0 && !Number.isNaN(value));
  const count = values.length;
  if (count === 0) return { p: 1, count, exact: true };
  const ranks = rank(values.map(Math.abs), { better: "lower" });
  const positive = ranks.reduce((sum, value, i) => sum + (values[i] > 0 ? value : 0), 0);
  const total = count * (count + 1) / 2;
  const smaller = Math.min(positive, total - positive);
  if (count <= EXACT_LIMIT) return { p: Math.min(1, 2 * shareBelow(ranks, smaller)), count, exact: true };
  const variance = ranks.reduce((sum, value) => sum + value * value, 0) / 4;
  return { p: twoSidedNormal((positive - total / 2) / Math.sqrt(variance)), count, exact: false };
}

/** Share of the 2^n choices of signs whose positive ranks sum to at most `limit`; counted in halves, since ties have half ranks. */
function shareBelow(ranks: readonly number[], limit: number): number {
  const doubled = ranks.map((value) => Math.round(2 * value));
  const ways = new Float64Array(Math.round(2 * limit) + 1);
  ways[0] = 1;
  for (const step of doubled) {
    for (let sum = ways.length - 1; sum >= step; sum--) ways[sum] += ways[sum - step];
  }
  return ways.reduce((sum, value) => sum + value, 0) / 2 ** ranks.length;
}
