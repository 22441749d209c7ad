import { nanMean } from "../mean.ts";
import { rank, type RankOptions } from "./rank.ts";

/** Scores of several methods on the cases of one data set: `[cases][methods]`; NaN where a score is undefined. */
export type ScoreTable = readonly (readonly number[])[];

/** Cases to use, by index, with repetition; all once when left out. */
export type Draw = ArrayLike<number>;

/** Mean score of each method over the (drawn) cases, undefined scores left out. @returns `[methods]` */
export function meanScores(table: ScoreTable, draw?: Draw): number[] {
  const rows = drawn(table, draw);
  return table[0].map((_, method) => nanMean(rows.map((row) => row[method])));
}

/** Ranks of the methods by their mean score over the (drawn) cases. @returns `[methods]` */
export function rankMeans(table: ScoreTable, draw?: Draw, options?: RankOptions): number[] {
  return rank(meanScores(table, draw), options);
}

/** Mean over the (drawn) cases of the ranks of the methods in each case. @returns `[methods]` */
export function meanRanks(table: ScoreTable, draw?: Draw, options?: RankOptions): number[] {
  return meanScores(drawn(table, draw).map((row) => rank(row, options)));
}

/**
 * Mean over data sets of the ranks by mean score ("aggregate, then rank").
 *
 * @param draws for each data set the drawn cases
 * @returns `[methods]`
 */
export function aggregateThenRank(
  tables: readonly ScoreTable[],
  draws?: readonly Draw[],
  options?: RankOptions,
): number[] {
  return meanScores(tables.map((table, i) => rankMeans(table, draws?.[i], options)));
}

/**
 * Mean over data sets of the mean rank in single cases ("rank, then aggregate").
 *
 * @param draws for each data set the drawn cases
 * @returns `[methods]`
 */
export function rankThenAggregate(
  tables: readonly ScoreTable[],
  draws?: readonly Draw[],
  options?: RankOptions,
): number[] {
  return meanScores(tables.map((table, i) => meanRanks(table, draws?.[i], options)));
}

function drawn(table: ScoreTable, draw?: Draw): ScoreTable {
  return draw === undefined ? table : Array.from(draw, (index) => table[index]);
}
