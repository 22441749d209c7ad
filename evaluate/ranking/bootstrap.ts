import { hashRandom } from "../../data/random.ts";
import { nanMean, percentile, standardDeviation } from "../mean.ts";
import type { Draw } from "./score_table.ts";

/** Resamples when no other number is named; challengeR's usual value. */
export const RESAMPLES = 1000;

/**
 * Cases drawn with replacement, as many as there are.
 *
 * A pure function of its arguments: resample b of a data set does not depend on how many others are drawn.
 *
 * @param cases number of cases
 * @param keys what else tells draws apart, such as the index of the data set
 * @returns indices, `[cases]`
 */
export function drawCases(cases: number, seed: number, resample: number, ...keys: number[]): Uint32Array {
  const random = hashRandom(seed, ...keys, resample);
  return Uint32Array.from({ length: cases }, () => random.int(0, cases - 1));
}

/** Draws for several data sets, each on its own; all methods share them. @returns `[data sets][cases]` */
export function drawDatasets(cases: readonly number[], seed: number, resample: number): Draw[] {
  return cases.map((count, dataset) => drawCases(count, seed, resample, dataset));
}

/** What came out for one method over all resamples. */
export interface ResampledValue {
  readonly mean: number;
  /** With denominator n. */
  readonly standardDeviation: number;
  readonly median: number;
  /** 2.5th and 97.5th percentile. */
  readonly interval: readonly [low: number, high: number];
  /** Share of resamples in which this method alone has the smallest value. */
  readonly strictlyBest: number;
}

/**
 * Describes the mean ranks of every method over resamples.
 *
 * @param resampled `[resamples][methods]`, smaller is better
 */
export function describeResamples(resampled: readonly ArrayLike<number>[]): ResampledValue[] {
  const best = resampled.map((row) => {
    const values = Array.from(row);
    const smallest = Math.min(...values);
    return values.filter((value) => value === smallest).length === 1 ? values.indexOf(smallest) : -1;
  });
  return Array.from(resampled[0] ?? [], (_, method) => {
    const values = resampled.map((row) => row[method]);
    return {
      mean: nanMean(values),
      standardDeviation: standardDeviation(values),
      median: percentile(values, 50),
      interval: [percentile(values, 2.5), percentile(values, 97.5)],
      strictlyBest: best.filter((index) => index === method).length / resampled.length,
    };
  });
}
