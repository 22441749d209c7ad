import { IMPORTED_ARGUMENTS, LAYER_ARGUMENTS } from "./layer_arguments.ts";

/** A JSON object whose keys are not known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object: not null, not an array. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A configuration with everything it inherits from others of the plans, its own fields last.
 *
 * @throws {RangeError} when one is missing or inherits from itself
 */
export function inherited(configurations: Fields, name: string, heirs: readonly string[] = []): Fields {
  const own = configurations[name];
  if (!isFields(own)) throw new RangeError(`no configuration ${name}, from which ${heirs.at(-1)} inherits`);
  const { inherits_from: parent, ...fields } = own;
  if (typeof parent !== "string") return fields;
  if (parent === name || heirs.includes(parent)) {
    throw new RangeError(`configuration ${name}, which inherits from itself`);
  }
  return { ...inherited(configurations, parent, [...heirs, name]), ...fields };
}

/**
 * The fields of a configuration of nnU-Net v2.0 to 2.3, which spread the network over the configuration, in today's form; others
 * unchanged.
 *
 * Source: nnU-Net v2 `ConfigurationManager`, which does the same when it reads such plans
 */
export function withArchitecture(configuration: Fields): Fields {
  const {
    UNet_class_name: className,
    UNet_base_num_features: base,
    unet_max_num_features: most,
    n_conv_per_stage_encoder: encoder,
    n_conv_per_stage_decoder: decoder,
    pool_op_kernel_sizes: strides,
    conv_kernel_sizes: kernels,
    num_pool_per_axis: _pools,
    ...rest
  } = configuration;
  if ("architecture" in configuration || typeof className !== "string" || !Array.isArray(encoder)) {
    return configuration;
  }
  const residual = className === "ResidualEncoderUNet";
  return {
    ...rest,
    architecture: {
      network_class_name: `dynamic_network_architectures.architectures.unet.${className}`,
      arch_kwargs: {
        n_stages: encoder.length,
        features_per_stage: encoder.map((_, s) => Math.min(Number(base) * 2 ** s, Number(most))),
        kernel_sizes: kernels,
        strides,
        [residual ? "n_blocks_per_stage" : "n_conv_per_stage"]: encoder,
        n_conv_per_stage_decoder: decoder,
        ...LAYER_ARGUMENTS,
      },
      _kw_requires_import: IMPORTED_ARGUMENTS,
    },
  };
}
