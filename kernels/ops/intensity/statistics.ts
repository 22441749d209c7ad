/** Mean, standard deviation (of a sample, n - 1), minimum and maximum of numbers. */
export interface Statistics {
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
}

/** Statistics in float64; the standard deviation of one number is 0. */
export function statisticsOf(x: Float64Array): Statistics {
  const mean = x.reduce((sum, v) => sum + v, 0) / x.length;
  const squares = x.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return {
    mean,
    std: Math.sqrt(squares / Math.max(1, x.length - 1)),
    min: x.reduce((a, b) => Math.min(a, b)),
    max: x.reduce((a, b) => Math.max(a, b)),
  };
}
