import { DataError } from "../errors.ts";
import type { LabelledDataset } from "./dataset.ts";
import type { Plans } from "./plans.ts";

/**
 * Refuses plans that were made for another number of channels than a data set has.
 *
 * @param file path of the plans, for messages
 * @throws {DataError} naming the configuration
 */
export function requirePlansFor(
  { name, channelNames }: Pick<LabelledDataset, "name" | "channelNames">,
  plans: Plans,
  file: string,
): void {
  for (const [configuration, { normalization_schemes }] of Object.entries(plans.configurations)) {
    if (normalization_schemes.length === channelNames.length) continue;
    throw new DataError({
      file,
      action: "use",
      found: `${normalization_schemes.length} normalization_schemes in ${configuration}`,
      wanted: `${channelNames.length}, one for each channel of ${name}`,
      remedy: "take plans of a data set with the same channels",
    });
  }
  for (const channel of channelNames.keys()) {
    const ct = Object.values(plans.configurations)
      .some(({ normalization_schemes: schemes }) => schemes[channel] === "CTNormalization");
    if (!ct || plans.foreground_intensity_properties_per_channel[channel]) continue;
    throw new DataError({
      file,
      action: "use",
      found: `no foreground_intensity_properties_per_channel of channel ${channel}`,
      wanted: "them, as the channel is normalised as CT",
      remedy: "plan the data set again",
    });
  }
}
