import type { ConfigurationPlan } from "../../data/nnunet/plans.ts";
import { isotropic, type NetworkConfig, validateNetwork } from "../../model/config.ts";

/**
 * The network that a plan's configuration describes: residual or plain, with the kernel and stride of every stage and axis.
 * Weights start as nnU-Net's do.
 *
 * @param inputChannels channels of the data set
 * @param outputs labels with background, or regions
 * @param deepSupervision whether every resolution of the decoder has an output
 * @throws {ConfigError} for lists of another length than the stages, or strides other than 1 and 2
 */
export function networkFromPlan(
  { architecture: { arch_kwargs } }: Pick<ConfigurationPlan, "architecture">,
  inputChannels: number,
  outputs: number,
  deepSupervision: boolean,
): NetworkConfig {
  const { n_blocks_per_stage, n_conv_per_stage } = arch_kwargs;
  const network = isotropic({
    encoder: n_blocks_per_stage ? "residual" : "plain",
    inputChannels,
    outputChannels: outputs,
    features: arch_kwargs.features_per_stage,
    kernels: arch_kwargs.kernel_sizes,
    strides: arch_kwargs.strides,
    blocks: n_blocks_per_stage ?? n_conv_per_stage ?? [],
    decoderConvs: arch_kwargs.n_conv_per_stage_decoder,
    deepSupervision,
    init: "he",
  });
  validateNetwork(network);
  return network;
}
