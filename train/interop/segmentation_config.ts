import { configurationOf } from "../../data/nnunet/plans.ts";
import type { FinetuneConfig } from "../finetune/config.ts";
import { resolveFinetuneConfig } from "../finetune/resolve_config.ts";
import { type ModelFile, ModelFileError } from "./types.ts";

/**
 * The configuration that goes with a segmentation network: its own, or, for one of nnU-Net, nnU-Net's protocol with the network, patch,
 * fold and mirrored axes of the file. Prediction depends on network, patch and mirroring alone.
 *
 * @throws {ModelFileError} when plans are missing
 * @throws {ConfigError} when the plan's configuration is not one that can be trained here
 */
export function segmentationConfig(model: ModelFile): FinetuneConfig {
  if (model.config !== null) return model.config as unknown as FinetuneConfig;
  const { path, plans, configuration, network, trained } = model;
  if (plans === null || configuration === null) {
    throw new ModelFileError(
      `Cannot take over ${path} as a segmentation network: found no plans, wanted nnU-Net's: name them`,
      path,
    );
  }
  const { encoder, inputChannels, outputChannels, features, kernels, strides, blocks, decoderConvs } =
    network;
  const mirrorAxes = trained.mirrorAxes ?? [0, 1, 2];
  return resolveFinetuneConfig({
    start: "scratch",
    plan: {
      name: configuration,
      configuration: configurationOf(plans, configuration),
      inputChannels,
      outputs: outputChannels,
    },
    flags: {
      ...(trained.fold === null ? {} : { fold: trained.fold }),
      network: { encoder, inputChannels, outputChannels, features, kernels, strides, blocks, decoderConvs },
      deepSupervision: network.deepSupervision,
      augmentation: { mirrorAxes },
    },
  });
}
