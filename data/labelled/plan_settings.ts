import { DataError } from "../errors.ts";
import type { ChannelNormalization } from "../normalize.ts";
import type { ResamplingSettings } from "../plan.ts";
import type { ImageResampler } from "../preprocess_array.ts";
import { resampleImage, type ResampleOptions } from "../resample.ts";
import type { InterpolationOrder } from "../spline_axis.ts";
import type { CaseConfiguration, CasePlans } from "./preprocess_case.ts";

/** The one function of nnU-Net that resamples images and labels as `resampleImage` and `resampleLabels` do. */
const RESAMPLING = "resample_data_or_seg_to_shape";

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
    throw wrongPlans(
      plans,
      `no foreground intensities of channel ${channel}`,
      "them, for CT",
      "plan the data set again",
    );
  });
}

/** The resampler of images: the one given where the plan asks for the usual orders. @throws {DataError} as `labelResampling` */
export function imageResampler(
  plans: CasePlans,
  { resampling_fn_data: name, resampling_fn_data_kwargs: settings }: CaseConfiguration,
  given?: ImageResampler,
): ImageResampler {
  const options = resampleOptions(plans, name, settings);
  const usual = options.order === 3 && options.orderZ === 0 && options.forceSeparateZ === null;
  return usual && given ? given : (...image) => Promise.resolve(resampleImage(...image, options));
}

/** How label maps are resampled. @throws {DataError} for a function or an order that is not there */
export function labelResampling(
  plans: CasePlans,
  { resampling_fn_seg: name, resampling_fn_seg_kwargs: settings }: CaseConfiguration,
): ResampleOptions {
  return resampleOptions(plans, name, settings);
}

function resampleOptions(plans: CasePlans, name: string, settings: ResamplingSettings): ResampleOptions {
  const order = (value: number): InterpolationOrder => {
    if (value === 0 || value === 1 || value === 3) return value;
    throw wrongPlans(
      plans,
      `interpolation of order ${value}`,
      "order 0, 1 or 3",
      "change the order in the plans",
    );
  };
  if (name !== RESAMPLING) {
    throw wrongPlans(
      plans,
      `resampling by ${name}`,
      RESAMPLING,
      "change resampling_fn_data and resampling_fn_seg",
    );
  }
  return {
    order: order(settings.order),
    orderZ: order(settings.order_z),
    forceSeparateZ: settings.force_separate_z ?? null,
  };
}

function wrongPlans(plans: CasePlans, found: string, wanted: string, remedy: string): DataError {
  return new DataError({ file: `the plans ${plans.plans_name}`, action: "use", found, wanted, remedy });
}
