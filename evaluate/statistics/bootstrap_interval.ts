import { nanMean, percentile } from "../mean.ts";
import { drawCases } from "../ranking/bootstrap.ts";

/** A mean with its confidence interval. */
export interface BootstrapInterval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Values behind it. */
  readonly count: number;
}

/** How to resample. */
export interface BootstrapOptions {
  /** 10,000 when left out. */
  readonly resamples?: number;
  /** Share of resampled means inside the interval; 0.95 when left out. */
  readonly level?: number;
  /** 0 when left out. */
  readonly seed?: number;
}

/**
 * Mean of values, one a case, with its percentile bootstrap interval (Efron 1979): cases are drawn with replacement. For two methods on the
 * same cases, give the differences of their scores: the interval is then that of the paired difference.
 *
 * With fewer than about ten cases the interval is narrower than it should be, whatever the level.
 *
 * @param values undefined ones (NaN) are left out
 * @returns NaN throughout without a value
 */
export function bootstrapInterval(
  values: readonly number[],
  options: BootstrapOptions = {},
): BootstrapInterval {
  const { resamples = 10_000, level = 0.95, seed = 0 } = options;
  const defined = values.filter((value) => !Number.isNaN(value));
  const count = defined.length;
  if (count === 0) return { mean: NaN, low: NaN, high: NaN, count };
  const means = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    let sum = 0;
    for (const index of drawCases(count, seed, b)) sum += defined[index];
    means[b] = sum / count;
  }
  const outside = 100 * (1 - level) / 2;
  return {
    mean: nanMean(defined),
    low: percentile(means, outside),
    high: percentile(means, 100 - outside),
    count,
  };
}

/**
 * Mean of values of several runs on the same cases, with a percentile bootstrap interval over both: runs and cases are drawn with
 * replacement, independently. With random starts that differ as much as cases do, drawing cases alone would claim too much.
 *
 * @param values `[runs][cases]`; undefined ones (NaN) are left out
 * @throws {RangeError} without a run
 */
export function nestedBootstrapInterval(
  values: readonly (readonly number[])[],
  { resamples = 10_000, level = 0.95, seed = 0 }: BootstrapOptions = {},
): BootstrapInterval {
  if (values.length === 0) throw new RangeError("Cannot resample runs: found none, wanted at least one");
  const cases = values[0].length;
  const means = Array.from({ length: resamples }, (_, b) => {
    const runs = drawCases(values.length, seed, b, 1);
    const drawn = drawCases(cases, seed, b, 0);
    return nanMean([...runs].flatMap((run) => [...drawn].map((i) => values[run][i])));
  }).filter((mean) => !Number.isNaN(mean));
  const all = values.flat();
  return {
    mean: nanMean(all),
    low: percentile(means, 50 * (1 - level)),
    high: percentile(means, 50 * (1 + level)),
    count: all.filter((value) => !Number.isNaN(value)).length,
  };
}
