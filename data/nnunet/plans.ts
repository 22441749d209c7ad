import { writeJsonAtomic } from "../atomic.ts";
import { DataError } from "../errors.ts";
import type { ResamplingSettings } from "../plan.ts";
import type { Dims3 } from "../volume.ts";
import { parsePlans } from "./parse_plans.ts";
import { readJsonFile } from "./read_json_file.ts";

/** How a channel is normalised, by the names of nnU-Net's classes. */
export type NormalizationScheme =
  | "ZScoreNormalization"
  | "CTNormalization"
  | "NoNormalization"
  | "RescaleTo01Normalization"
  | "RGBTo01Normalization";

/** Statistics of the foreground voxels of one channel over all training cases, in intensities of the files. */
export interface IntensityProperties {
  readonly mean: number;
  readonly median: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
  readonly percentile_00_5: number;
  readonly percentile_99_5: number;
}

/** Arguments of a U-Net in dynamic-network-architectures, dimensions in array order. */
export interface ArchitectureArguments {
  readonly n_stages: number;
  readonly features_per_stage: readonly number[];
  readonly conv_op: string;
  readonly kernel_sizes: readonly Dims3[];
  readonly strides: readonly Dims3[];
  /** Residual blocks of every encoder stage; in residual networks only. */
  readonly n_blocks_per_stage?: readonly number[];
  /** Convolutions of every encoder stage; in plain networks only. */
  readonly n_conv_per_stage?: readonly number[];
  /** Convolutions of every decoder stage, as nnU-Net lists them: lowest resolution first. */
  readonly n_conv_per_stage_decoder: readonly number[];
  readonly conv_bias: boolean;
  readonly norm_op: string;
  readonly norm_op_kwargs: { readonly eps: number; readonly affine: boolean };
  readonly dropout_op: null;
  readonly dropout_op_kwargs: null;
  readonly nonlin: string;
  readonly nonlin_kwargs: Readonly<Record<string, unknown>>;
}

/** The network of a configuration. */
export interface ArchitecturePlan {
  /** Ends in `ResidualEncoderUNet` or `PlainConvUNet`. */
  readonly network_class_name: string;
  readonly arch_kwargs: ArchitectureArguments;
  readonly _kw_requires_import: readonly string[];
}

/** One way to preprocess a data set and the network to train on it; axes after `transpose_forward`. */
export interface ConfigurationPlan {
  /** Name of the folder of preprocessed cases. */
  readonly data_identifier: string;
  readonly preprocessor_name: string;
  readonly batch_size: number;
  readonly patch_size: Dims3;
  /** Median shape of the cases after resampling; may be halves. */
  readonly median_image_size_in_voxels: Dims3;
  /** Target spacing in mm; null keeps the spacing of each case. */
  readonly spacing: Dims3 | null;
  /** One a channel. */
  readonly normalization_schemes: readonly NormalizationScheme[];
  /** One a channel: statistics inside the non-zero mask only, zero outside. */
  readonly use_mask_for_norm: readonly boolean[];
  readonly resampling_fn_data: string;
  readonly resampling_fn_seg: string;
  readonly resampling_fn_data_kwargs: ResamplingSettings;
  readonly resampling_fn_seg_kwargs: ResamplingSettings;
  readonly resampling_fn_probabilities: string;
  readonly resampling_fn_probabilities_kwargs: ResamplingSettings;
  readonly architecture: ArchitecturePlan;
  /** Dice over the whole batch instead of over each sample. */
  readonly batch_dice: boolean;
  /** Configuration that goes on from this one's predictions. */
  readonly next_stage?: string;
  /** Configuration whose predictions are an input of this one. */
  readonly previous_stage?: string;
}

/** Content of a plans.json of nnU-Net v2, configurations with everything they inherit; `orientation` is ours. */
export interface Plans {
  readonly dataset_name: string;
  readonly plans_name: string;
  readonly original_median_spacing_after_transp: Dims3;
  readonly original_median_shape_after_transp: Dims3;
  readonly image_reader_writer: string;
  readonly transpose_forward: Dims3;
  readonly transpose_backward: Dims3;
  /** 3-D configurations by name: "3d_fullres", maybe "3d_lowres" and "3d_cascade_fullres". */
  readonly configurations: Readonly<Record<string, ConfigurationPlan>>;
  readonly experiment_planner_used: string;
  readonly label_manager: string;
  /** By channel index, as text. */
  readonly foreground_intensity_properties_per_channel: Readonly<Record<string, IntensityProperties>>;
  /** Where the weights of a fine-tuning plan come from, as nnssl's plans have it. */
  readonly pretrain_info?: Readonly<Record<string, unknown>>;
  /** Axis codes that volumes are brought to before they are transposed, for example "RAS"; null or absent: the axes of the file. */
  readonly orientation?: string | null;
}

/**
 * Reads a plans.json: ours or nnU-Net v2's. Inherited configurations are completed, two-dimensional ones left out.
 *
 * @throws {DataError} when it is no plans file, or one of an older form, or asks for something that is not supported
 */
export async function readPlans(path: string): Promise<Plans> {
  return parsePlans(await readJsonFile(path), path);
}

/** Writes plans in the form of nnU-Net v2, atomically. @throws {DataError} when the file cannot be written */
export function writePlans(path: string, plans: Plans): Promise<void> {
  return writeJsonAtomic(path, plans);
}

/** A configuration by name. @throws {DataError} when the plans have none of that name */
export function configurationOf(plans: Plans, name: string): ConfigurationPlan {
  const configuration = plans.configurations[name];
  if (configuration === undefined) {
    throw new DataError({
      file: plans.plans_name,
      action: "use",
      found: `configurations ${Object.keys(plans.configurations).join(", ")}`,
      wanted: name,
      remedy: "name one of them",
    });
  }
  return configuration;
}
