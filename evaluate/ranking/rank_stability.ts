import { nanMean, percentile } from "../mean.ts";
import { kendallTau } from "../statistics/kendall_tau.ts";
import { drawDatasets, RESAMPLES } from "./bootstrap.ts";
import { rank, type RankOptions } from "./rank.ts";
import { meanScores, rankMeans, type ScoreTable } from "./score_table.ts";

/** Case scores of several methods on one data set. */
export interface DatasetScores {
  readonly name: string;
  /** `[cases][methods]`, one value a case (`caseScore`). */
  readonly scores: ScoreTable;
  /** Score of each method on the whole data set, for the table; the mean over cases when left out. */
  readonly datasetScores?: readonly number[];
}

/** Where one method came in over all resamples. */
export interface RankDistribution {
  /** Rank on all cases; ties get the smallest rank. */
  readonly rank: number;
  /** Share of resamples in which the method had rank r + 1. */
  readonly shares: readonly number[];
  readonly median: number;
  /** 2.5th and 97.5th percentile. */
  readonly interval: readonly [low: number, high: number];
}

/** Ranks on one data set, or on all together. */
export interface RankedDataset {
  readonly name: string;
  /** In the order of the methods. */
  readonly methods: readonly RankDistribution[];
  /** Mean over resamples of Kendall's tau between the ranking of the resample and that of all cases; NaN when all are always tied. */
  readonly kendallTau: number;
}

/** Ranks of methods and how far they depend on which cases happened to be there. */
export interface RankStability {
  readonly methods: readonly string[];
  readonly datasets: readonly RankedDataset[];
  /** The methods ranked by their mean rank over data sets. */
  readonly aggregate: RankedDataset;
  /** Mean over data sets of the rank by data set score, ties sharing the average rank: the number that a table shows. */
  readonly meanRanks: readonly number[];
  /** Score of each method on each data set, `[data sets][methods]`. */
  readonly datasetScores: readonly (readonly number[])[];
  readonly resamples: number;
  readonly seed: number;
}

/** What to rank. */
export interface RankStabilityOptions {
  readonly methods: readonly string[];
  readonly datasets: readonly DatasetScores[];
  /** 1000 when left out. */
  readonly resamples?: number;
  /** 0 when left out. */
  readonly seed?: number;
  /** Whether a higher score is better; "higher" when left out. */
  readonly better?: RankOptions["better"];
}

/**
 * Bootstrap of a ranking: cases are resampled inside every data set, the same ones for all methods, methods are ranked by mean score (ties
 * get the smallest rank, an undefined mean the worst), and ranks are averaged over data sets and ranked again.
 *
 * Source: Wiesenfarth et al. 2021, "Methods and open-source toolkit for analyzing and visualizing challenge results"
 *
 * @throws {RangeError} for a data set without cases, or whose rows have not one score for each method
 */
export function rankStability(options: RankStabilityOptions): RankStability {
  const { methods, datasets, resamples = RESAMPLES, seed = 0, better } = options;
  for (const { name, scores } of datasets) {
    if (scores.length === 0 || scores.some((row) => row.length !== methods.length)) {
      throw new RangeError(
        `Cannot rank on ${name}: found ${scores.length} cases with ${
          scores[0]?.length ?? 0
        } scores, wanted cases with ` +
          `${methods.length}, one for each method`,
      );
    }
  }
  const smallest = { ties: "min", better } as const;
  const tables = datasets.map(({ scores }) => scores);
  const rerank = (ranks: readonly number[][]) => rank(meanScores(ranks), { ties: "min", better: "lower" });
  const datasetScores = datasets.map((item) => item.datasetScores ?? meanScores(item.scores));
  const full = tables.map((table) => rankMeans(table, undefined, smallest));
  const perDataset: number[][][] = tables.map(() => []);
  const aggregate: number[][] = [];
  for (let b = 0; b < resamples; b++) {
    const draws = drawDatasets(tables.map((table) => table.length), seed, b);
    const ranks = tables.map((table, i) => rankMeans(table, draws[i], smallest));
    ranks.forEach((row, i) => perDataset[i].push(row));
    aggregate.push(rerank(ranks));
  }
  return {
    methods,
    datasets: datasets.map(({ name }, i) => rankedDataset(name, full[i], perDataset[i])),
    aggregate: rankedDataset("all", rerank(full), aggregate),
    meanRanks: meanScores(datasetScores.map((scores) => rank(scores, { better }))),
    datasetScores,
    resamples,
    seed,
  };
}

function rankedDataset(name: string, full: readonly number[], resampled: readonly number[][]): RankedDataset {
  const methods = full.map((own, method): RankDistribution => {
    const ranks = resampled.map((row) => row[method]);
    const shares = full.map((_, i) => ranks.filter((value) => value === i + 1).length / ranks.length);
    return {
      rank: own,
      shares,
      median: percentile(ranks, 50),
      interval: [percentile(ranks, 2.5), percentile(ranks, 97.5)],
    };
  });
  return { name, methods, kendallTau: nanMean(resampled.map((row) => kendallTau(row, full))) };
}
