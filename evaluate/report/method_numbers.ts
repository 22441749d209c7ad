import { drawDatasets } from "../ranking/bootstrap.ts";
import { nanMean, percentile } from "../mean.ts";
import { type DatasetScores, type RankStability, rankStability } from "../ranking/rank_stability.ts";
import { meanScores } from "../ranking/score_table.ts";
import { compareMethods, type MethodComparison } from "../statistics/compare_methods.ts";
import { holm } from "../statistics/holm.ts";
import type { Estimate } from "./score_bars.ts";

/** What is compared: methods on the same cases of one or more data sets. */
export interface MethodReportOptions {
  readonly title: string;
  readonly methods: readonly string[];
  readonly datasets: readonly DatasetScores[];
  /** Method that the others are compared with; none when left out. */
  readonly baseline?: string;
  /** Name of the score; "Dice" when left out. */
  readonly metric?: string;
  /** "higher" when left out. */
  readonly better?: "higher" | "lower";
  /** Bootstrap resamples; 1000 when left out. */
  readonly resamples?: number;
  /** 0 when left out. */
  readonly seed?: number;
  /** Sentences to show below the title, for example how the cases were chosen. */
  readonly notes?: readonly string[];
}

/** One method against the baseline. */
export interface BaselineComparison {
  readonly method: string;
  /** Mean over data sets of the mean paired difference. */
  readonly overall: Estimate;
  readonly datasets: readonly (MethodComparison & {
    readonly name: string;
    /** Wilcoxon's p adjusted by Holm over all methods and data sets of the report. */
    readonly adjustedP: number;
  })[];
}

/** Numbers of a report. */
export interface MethodNumbers {
  readonly metric: string;
  readonly better: "higher" | "lower";
  readonly methods: readonly string[];
  /** Mean over data sets of the mean case score, with its bootstrap interval. */
  readonly overall: readonly Estimate[];
  readonly stability: RankStability;
  readonly baseline: string | null;
  readonly comparisons: readonly BaselineComparison[];
}

/** Computes all numbers of a report. @throws {RangeError} for an unknown baseline, and as `rankStability` */
export function methodNumbers(options: MethodReportOptions): MethodNumbers {
  const { methods, datasets, metric = "Dice", better = "higher", resamples = 1000, seed = 0 } = options;
  const baseline = options.baseline ?? null;
  const reference = baseline === null ? -1 : methods.indexOf(baseline);
  if (baseline !== null && reference < 0) {
    throw new RangeError(
      `Cannot compare with ${baseline}: found no such method, wanted one of ${methods.join(", ")}`,
    );
  }
  const stability = rankStability({ methods, datasets, resamples, seed, better });
  const tables = datasets.map(({ scores }) => scores);
  const overDatasets = (means: readonly number[][]) => meanScores(means);
  const full = overDatasets(tables.map((table) => meanScores(table)));
  const resampled = Array.from({ length: resamples }, (_, b) => {
    const draws = drawDatasets(tables.map((table) => table.length), seed, b);
    return overDatasets(tables.map((table, i) => meanScores(table, draws[i])));
  });
  const estimate = (mean: number, values: readonly number[]): Estimate => ({
    mean,
    low: percentile(values, 2.5),
    high: percentile(values, 97.5),
  });
  return {
    metric,
    better,
    methods,
    overall: methods.map((_, i) => estimate(full[i], resampled.map((row) => row[i]))),
    stability,
    baseline,
    comparisons: reference < 0 ? [] : compareAll(methods, datasets, reference, { resamples, seed }),
  };
}

function compareAll(
  methods: readonly string[],
  datasets: readonly DatasetScores[],
  reference: number,
  options: { readonly resamples: number; readonly seed: number },
): BaselineComparison[] {
  const others = methods.filter((_, i) => i !== reference);
  const differences = datasets.map(({ scores }) =>
    scores.map((row) => row.map((value) => value - row[reference]))
  );
  const found = others.map((method) => {
    const index = methods.indexOf(method);
    return datasets.map(({ name, scores }) => ({
      name,
      ...compareMethods(scores.map((row) => row[index]), scores.map((row) => row[reference]), options),
    }));
  });
  const adjusted = holm(found.flat().map(({ wilcoxon }) => wilcoxon.p));
  return others.map((method, at) => {
    const index = methods.indexOf(method);
    const means = Array.from({ length: options.resamples }, (_, b) => {
      const draws = drawDatasets(differences.map((table) => table.length), options.seed, b);
      return nanMean(differences.map((table, i) => meanScores(table, draws[i])[index]));
    });
    return {
      method,
      overall: {
        mean: nanMean(found[at].map(({ difference }) => difference.mean)),
        low: percentile(means, 2.5),
        high: percentile(means, 97.5),
      },
      datasets: found[at].map((one, i) => ({ ...one, adjustedP: adjusted[at * datasets.length + i] })),
    };
  });
}
