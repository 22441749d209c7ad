import type { ArchitectureArguments, ArchitecturePlan } from "../data/nnunet/plans.ts";
import { layerFault } from "../data/nnunet/layer_arguments.ts";
import { ConfigError, isotropic, type NetworkConfig, networkPreset, NORM_EPS } from "../model/config.ts";

/** Name of the published network, which stands for all its arguments. */
const PUBLISHED = "ResEncL";

/** Where nnU-Net imports its networks from. */
const PACKAGE = "dynamic_network_architectures.architectures.unet";

/** Arguments of a plan that name a class. */
const CLASS_ARGUMENTS = ["conv_op", "norm_op", "dropout_op", "nonlin"] as const;

/**
 * A network as nnU-Net's plans describe it; what plans do not know (channels, deep supervision, initialisation) is left out.
 *
 * Source: `get_network_from_plans` of nnU-Net v2, dynamic-network-architectures.
 */
export function architecturePlan(
  network: Omit<NetworkConfig, "inputChannels" | "outputChannels">,
): ArchitecturePlan {
  const residual = network.encoder === "residual";
  return {
    network_class_name: `${PACKAGE}.${residual ? "ResidualEncoderUNet" : "PlainConvUNet"}`,
    arch_kwargs: {
      n_stages: network.features.length,
      features_per_stage: network.features,
      conv_op: "torch.nn.modules.conv.Conv3d",
      kernel_sizes: network.kernels,
      strides: network.strides,
      ...(residual ? { n_blocks_per_stage: network.blocks } : { n_conv_per_stage: network.blocks }),
      n_conv_per_stage_decoder: network.decoderConvs,
      conv_bias: true,
      norm_op: "torch.nn.modules.instancenorm.InstanceNorm3d",
      norm_op_kwargs: { eps: NORM_EPS, affine: true },
      dropout_op: null,
      dropout_op_kwargs: null,
      nonlin: "torch.nn.LeakyReLU",
      nonlin_kwargs: { inplace: true },
    },
    _kw_requires_import: CLASS_ARGUMENTS,
  };
}

/** Name of an architecture in adaptation plans: that of nnU-Net's class, but `ResEncL` for the published network. */
export function architectureName(plan: ArchitecturePlan): string {
  const published = architecturePlan(networkPreset("resenc-l"));
  if (JSON.stringify(plan) === JSON.stringify(published)) return PUBLISHED;
  return plan.network_class_name.split(".").at(-1)!;
}

/**
 * The architecture that a checkpoint's adaptation plan names, null for one that is not known. `ResEncL` stands for the published
 * network and needs no arguments.
 *
 * @throws {ConfigError} when its layers are not computed here
 */
export function namedArchitecture(
  { arch_class_name, arch_kwargs }: {
    readonly arch_class_name: string;
    readonly arch_kwargs?: Readonly<Record<string, unknown>> | null;
  },
): ArchitecturePlan | null {
  const name = arch_class_name.split(".").at(-1);
  const residual = name === "ResidualEncoderUNet";
  if (!residual && name !== "PlainConvUNet" && name !== PUBLISHED) return null;
  const fault = layerFault(arch_kwargs ?? {});
  if (fault !== null) {
    const text = `Cannot build the network: arch_kwargs.${fault.found}, wanted ${fault.wanted}`;
    throw new ConfigError(text, "arch_kwargs");
  }
  if (name === PUBLISHED) return architecturePlan(networkPreset("resenc-l"));
  const sizes = arch_kwargs as Partial<ArchitectureArguments> | null | undefined;
  const blocks = residual ? sizes?.n_blocks_per_stage : sizes?.n_conv_per_stage;
  if (!sizes?.features_per_stage || !blocks || !sizes.n_conv_per_stage_decoder) return null;
  return architecturePlan(isotropic({
    encoder: residual ? "residual" : "plain",
    features: sizes.features_per_stage,
    blocks,
    decoderConvs: sizes.n_conv_per_stage_decoder,
    ...(sizes.kernel_sizes && { kernels: sizes.kernel_sizes }),
    ...(sizes.strides && { strides: sizes.strides }),
  }));
}
