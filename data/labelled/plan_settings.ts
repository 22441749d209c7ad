import { DataError } from "../errors.ts";
import type { ChannelNormalization } from "../normalize.ts";
import type { ResamplingSettings } from "../plan.ts";
import type { ImageResampler } from "../preprocess_array.ts";
import { resampleImage, type ResampleOptions } from "../resample.ts";
import type { InterpolationOrder } from "../spline_axis.ts";
import type { CaseConfiguration, CasePlans } from "./preprocess_case.ts";

/**
 * How the channels of a case are normalised.
 *
 * @param images files of the case, one a channel
 * @throws {DataError} when the plan has another number of channels, or lacks the statistics of a CT channel
 */
export function channelNormalization(
  plans: CasePlans,
  { normalization_schemes: schemes, use_mask_for_norm: useMask }: CaseConfiguration,
  images: readonly string[],
): readonly ChannelNormalization[] {
  if (images.length !== schemes.length || images.length === 0) {
    throw new DataError({
      file: images[0] ?? "a case",
      found: `${images.length} channel${images.length === 1 ? "" : "s"}`,
      wanted: `${schemes.length}, as the plans ${plans.plans_name} have`,
      remedy: "give one file for every channel of the data set",
    });
  }
  return schemes.map((scheme, channel): ChannelNormalization => {
    if (scheme !== "CTNormalization") return { scheme, useMask: useMask[channel] ?? false };
    const foreground = plans.foreground_intensity_properties_per_channel[channel];
    if (foreground) return { scheme, foreground };
    const found = `no foreground intensities of channel ${channel}`;
    const file = `the plans ${plans.plans_name}`, remedy = "plan the data set again";
    throw new DataError({ file, action: "use", found, wanted: "those of the fingerprint, for CT", remedy });
  });
}

/** The resampler of images: the one given where the plan asks for the usual orders. */
export function imageResampler(settings: ResamplingSettings, given?: ImageResampler): ImageResampler {
  const options = resampleOptions(settings);
  const usual = options.order === 3 && options.orderZ === 0 && options.forceSeparateZ === null;
  return usual && given ? given : (...image) => Promise.resolve(resampleImage(...image, options));
}

/** The plan's way to resample; `readPlans` lets no other orders through. */
export function resampleOptions({ order, order_z, force_separate_z }: ResamplingSettings): ResampleOptions {
  return {
    order: order as InterpolationOrder,
    orderZ: order_z as InterpolationOrder,
    forceSeparateZ: force_separate_z,
  };
}
