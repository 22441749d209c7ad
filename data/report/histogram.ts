/** Counts of values in bins of equal width. */
export interface Histogram {
  /** Lower edge of the first bin. */
  readonly start: number;
  /** Width of a bin. */
  readonly step: number;
  /** Values in each bin, lower edge included. */
  readonly counts: readonly number[];
  /** Values above the last bin. */
  readonly above: number;
}

/** Lower quartile, median and upper quartile, interpolated linearly between neighbours. */
export type Quartiles = readonly [q1: number, median: number, q3: number];

/** Most bins that `centredBins` chooses. */
const MAX_BINS = 40;
/** Fewest bins; equal values get empty bins on both sides, so that one sees where they lie. */
const MIN_BINS = 9;

/** Bins from `start` to `end`; values below count in the first bin, values at `end` or above in `above`. */
export function histogram(values: Float64Array, start: number, end: number, step: number): Histogram {
  const counts = new Array<number>(Math.round((end - start) / step)).fill(0);
  let above = 0;
  for (const value of values) {
    const bin = Math.floor((value - start) / step);
    if (bin >= counts.length) above++;
    else counts[Math.max(0, bin)]++;
  }
  return { start, step, counts, above };
}

/** A common scale for several histograms: bins whose centres are round numbers. */
export interface BinScale {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/**
 * Chooses bins for sorted lists of values that are to be compared: the smallest of the widths for which the bins are few enough, centred on
 * its multiples, since spacings and sizes gather at round numbers. The highest half percent may lie above the last bin.
 *
 * @param lists each sorted in ascending order
 * @param widths candidates in ascending order
 * @returns null without values
 */
export function centredBins(lists: readonly Float64Array[], widths: readonly number[]): BinScale | null {
  const filled = lists.filter((values) => values.length > 0);
  if (filled.length === 0) return null;
  const low = Math.min(...filled.map((values) => values[0]));
  const high = Math.max(...filled.map((values) => values[Math.ceil((values.length - 1) * 0.995)]));
  const range = (step: number) => {
    const first = Math.floor(low / step + 0.5), last = Math.floor(high / step + 0.5);
    return { first, last, bins: last - first + 1 };
  };
  const step = widths.find((width) => range(width).bins <= MAX_BINS) ?? (high - low) / (MAX_BINS - 2);
  const { first, last, bins } = range(step);
  const before = Math.max(0, Math.min(first, Math.ceil((MIN_BINS - bins) / 2)));
  const after = Math.max(0, MIN_BINS - bins - before);
  return { start: (first - before - 0.5) * step, end: (last + after + 0.5) * step, step };
}

/** Quartiles of values in ascending order; null without values. */
export function quartiles(sorted: Float64Array): Quartiles | null {
  if (sorted.length === 0) return null;
  const at = (share: number) => {
    const place = share * (sorted.length - 1), below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  };
  return [at(0.25), at(0.5), at(0.75)];
}
