import { DataError } from "../../data/errors.ts";
import { channelNamesIn } from "../../data/nnunet/description.ts";
import { parseLabels } from "../../data/nnunet/labels.ts";
import type { NetworkConfig } from "../../model/config.ts";
import type { ModelDocuments } from "./source.ts";

/**
 * Why a network does not segment the images that dataset.json describes, one sentence; null where it does, or nothing is known of
 * them.
 *
 * @param path for messages
 */
export function segmentationFault(
  { plans, configuration, dataset }: ModelDocuments,
  { inputChannels, outputChannels }: NetworkConfig,
  path: string,
): string | null {
  if (plans === null || dataset === null) return null;
  const left = (reason: string) => `The labels were left out: ${reason}`;
  const before = configuration === null ? undefined : plans.configurations[configuration]?.previous_stage;
  if (before !== undefined) {
    return left(`${configuration} also takes the segmentation of ${before}, which predict does not hand on`);
  }
  const channels = Object.keys(channelNamesIn(dataset)).length;
  if (channels !== inputChannels) {
    return left(`dataset.json has ${channels} channel_names, the network ${inputChannels} inputs`);
  }
  try {
    const { outputs } = parseLabels(dataset, `the dataset.json of ${path}`);
    return outputs === outputChannels
      ? null
      : left(`dataset.json has ${outputs} outputs, the network ${outputChannels}`);
  } catch (error) {
    if (error instanceof DataError) return left(error.message);
    throw error;
  }
}
