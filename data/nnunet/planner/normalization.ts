import type { NormalizationScheme } from "../plans.ts";

const SCHEMES: Readonly<Record<string, NormalizationScheme>> = {
  ct: "CTNormalization",
  nonorm: "NoNormalization",
  rescale_to_0_1: "RescaleTo01Normalization",
  rgb_to_0_1: "RGBTo01Normalization",
};

/** Cropping must take away more than a quarter of the voxels for statistics to be taken inside the mask only. */
const MASK_BELOW = 3 / 4;

/** How a channel of that name is normalised; upper and lower case count as equal. Source: nnU-Net v2 `map_channel_name_to_normalization.py` */
export function normalizationScheme(channelName: string): NormalizationScheme {
  const name = channelName.toLowerCase();
  return Object.hasOwn(SCHEMES, name) ? SCHEMES[name] : "ZScoreNormalization";
}

/** Whether each channel takes its statistics inside the non-zero mask: z-scored ones of data with a large empty margin. */
export function masksForNorm(
  schemes: readonly NormalizationScheme[],
  medianRelativeSize: number,
): readonly boolean[] {
  return schemes.map((scheme) => scheme === "ZScoreNormalization" && medianRelativeSize < MASK_BELOW);
}
