import type { IntensityProperties, NormalizationScheme } from "./nnunet/plans.ts";

/** Mean and population standard deviation of an image before normalisation. */
export interface IntensityStatistics {
  readonly mean: number;
  readonly std: number;
}

/**
 * Mean and population standard deviation in float64, two passes.
 *
 * @param inside voxels with a negative entry are left out
 */
export function intensityStatistics(data: Float32Array, inside?: Int32Array): IntensityStatistics {
  let sum = 0, count = 0;
  for (let i = 0; i < data.length; i++) {
    if (inside && inside[i] < 0) continue;
    sum += data[i];
    count++;
  }
  const mean = count === 0 ? 0 : sum / count;
  let squares = 0;
  for (let i = 0; i < data.length; i++) {
    if (inside && inside[i] < 0) continue;
    const difference = data[i] - mean;
    squares += difference * difference;
  }
  return { mean, std: count === 0 ? 0 : Math.sqrt(squares / count) };
}

/**
 * Z-score in place: `(x - mean) / max(std, 1e-8)`.
 *
 * @param data one channel
 * @param inside with it, statistics come from voxels whose entry is >= 0 and only those change; without it, from all voxels
 * @returns the statistics before normalisation
 * Source: `ZScoreNormalization` of nnU-Net v2 and nnssl
 */
export function zScore(data: Float32Array, inside?: Int32Array): IntensityStatistics {
  const statistics = intensityStatistics(data, inside);
  const scale = Math.max(statistics.std, 1e-8);
  for (let i = 0; i < data.length; i++) {
    if (!inside || inside[i] >= 0) data[i] = (data[i] - statistics.mean) / scale;
  }
  return statistics;
}

/** Rescales in place to [0, 1]: `(x - min) / max(max - min, 1e-8)`. Source: `RescaleTo01Normalization` of nnU-Net v2. */
export function rescaleTo01(data: Float32Array): void {
  let low = Infinity, high = -Infinity;
  for (const value of data) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = Math.max(high - low, 1e-8);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] - low) / scale;
}

/** How one channel is normalised. */
export interface ChannelNormalization {
  readonly scheme: NormalizationScheme;
  /** For z-scores: statistics of the filled non-zero mask alone, and nothing changed outside it; false when left out. */
  readonly useMask?: boolean;
  /** Statistics of the data set's foreground, which CT normalisation takes. */
  readonly foreground?: Pick<IntensityProperties, "mean" | "std" | "percentile_00_5" | "percentile_99_5">;
}

/** Z-score over all voxels. */
export const Z_SCORE: ChannelNormalization = { scheme: "ZScoreNormalization" };

/**
 * Normalises one channel in place by its scheme.
 *
 * @param inside as `zScore` takes it; read with `useMask` only
 * @returns the statistics before normalisation, of the voxels that count
 * @throws {RangeError} for CT without `foreground`
 * Source: `default_normalization_schemes` of nnU-Net v2
 */
export function normalizeChannel(
  data: Float32Array,
  { scheme, useMask = false, foreground }: ChannelNormalization,
  inside?: Int32Array,
): IntensityStatistics {
  if (scheme === "ZScoreNormalization") return zScore(data, useMask ? inside : undefined);
  const statistics = intensityStatistics(data);
  if (scheme === "CTNormalization") {
    if (!foreground) {
      throw new RangeError(
        "Cannot normalise CT: found no foreground statistics, wanted those of the fingerprint",
      );
    }
    const { mean, std, percentile_00_5: low, percentile_99_5: high } = foreground;
    const scale = Math.max(std, 1e-8);
    for (let i = 0; i < data.length; i++) data[i] = (Math.min(Math.max(data[i], low), high) - mean) / scale;
  } else if (scheme === "RescaleTo01Normalization") rescaleTo01(data);
  else if (scheme === "RGBTo01Normalization") { for (let i = 0; i < data.length; i++) data[i] /= 255; }
  return statistics;
}
