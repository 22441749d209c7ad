import { z } from "../deps.ts";
import { DataError } from "../errors.ts";
import type { ResamplingSettings } from "../plan.ts";
import type { Dims3 } from "../volume.ts";
import { intensitySchema } from "./fingerprint.ts";
import { LayerError, layerIssue, layerSchema, withoutIdleDropout } from "./layer_arguments.ts";
import { type Fields, inherited, isFields, withArchitecture } from "./older_plans.ts";
import { readerOrientation } from "./reader_orientation.ts";
import type { ArchitectureArguments, ArchitecturePlan, ConfigurationPlan, Plans } from "./plans.ts";

const positive = z.number().positive();
const count = z.int().positive();
const dims = <T extends z.ZodType<number>>(each: T) => z.tuple([each, each, each]).readonly();
const axis = z.literal([0, 1, 2]);
const permutation: z.ZodType<Dims3> = dims(axis).refine(
  (order) => new Set(order).size === 3,
  "wanted 0, 1 and 2 once each",
);

const resampling: z.ZodType<ResamplingSettings> = z.object({
  is_seg: z.boolean(),
  order: z.literal([0, 1, 3], "wanted order 0, 1 or 3"),
  order_z: z.literal([0, 1, 3], "wanted order_z 0, 1 or 3"),
  force_separate_z: z.boolean().nullable(),
});
const resamplingFunction = z.literal("resample_data_or_seg_to_shape", "wanted resample_data_or_seg_to_shape");

const { conv_op, ...otherLayers } = layerSchema.shape;
const architectureArguments: z.ZodType<ArchitectureArguments> = z.preprocess(
  withoutIdleDropout,
  z.object({
    n_stages: count,
    features_per_stage: z.array(count),
    conv_op,
    kernel_sizes: z.array(dims(count)),
    strides: z.array(dims(count)),
    n_blocks_per_stage: z.array(count).optional(),
    n_conv_per_stage: z.array(count).optional(),
    n_conv_per_stage_decoder: z.array(count),
    ...otherLayers,
  }),
).superRefine((net, context) => {
  const fail = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
  const stages = net.n_stages;
  const lengths = [
    ["features_per_stage", net.features_per_stage, stages],
    ["kernel_sizes", net.kernel_sizes, stages],
    ["strides", net.strides, stages],
    ["n_blocks_per_stage", net.n_blocks_per_stage, stages],
    ["n_conv_per_stage", net.n_conv_per_stage, stages],
    ["n_conv_per_stage_decoder", net.n_conv_per_stage_decoder, stages - 1],
  ] as const;
  for (const [path, list, length] of lengths) {
    if (list && list.length !== length) {
      fail(path, `found ${list.length} entries, wanted ${length} for ${stages} stages`);
    }
  }
  if ((net.n_blocks_per_stage === undefined) === (net.n_conv_per_stage === undefined)) {
    fail("n_blocks_per_stage", "wanted either n_blocks_per_stage (residual) or n_conv_per_stage (plain)");
  }
});

const architecture: z.ZodType<ArchitecturePlan> = z.object({
  network_class_name: z.string().regex(
    /(^|\.)(ResidualEncoderUNet|PlainConvUNet)$/,
    "wanted ResidualEncoderUNet or PlainConvUNet",
  ),
  arch_kwargs: architectureArguments,
  _kw_requires_import: z.array(z.string()),
}).refine(
  ({ network_class_name, arch_kwargs }) =>
    network_class_name.endsWith("ResidualEncoderUNet") === (arch_kwargs.n_blocks_per_stage !== undefined),
  "wanted n_blocks_per_stage for ResidualEncoderUNet, n_conv_per_stage for PlainConvUNet",
);

const configuration: z.ZodType<ConfigurationPlan> = z.object({
  data_identifier: z.string().regex(/^[^/\\]+$/, "wanted a name without slashes"),
  preprocessor_name: z.literal("DefaultPreprocessor", "wanted DefaultPreprocessor"),
  batch_size: count,
  patch_size: dims(count),
  median_image_size_in_voxels: dims(positive),
  spacing: dims(positive).nullable(),
  normalization_schemes: z.array(z.enum([
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
  ])).min(1),
  use_mask_for_norm: z.array(z.boolean()).min(1),
  resampling_fn_data: resamplingFunction,
  resampling_fn_seg: resamplingFunction,
  resampling_fn_data_kwargs: resampling,
  resampling_fn_seg_kwargs: resampling,
  resampling_fn_probabilities: resamplingFunction,
  resampling_fn_probabilities_kwargs: resampling,
  architecture,
  batch_dice: z.boolean(),
  next_stage: z.string().optional(),
  previous_stage: z.string().optional(),
}).refine(
  ({ normalization_schemes, use_mask_for_norm }) => normalization_schemes.length === use_mask_for_norm.length,
  "wanted as many use_mask_for_norm as normalization_schemes",
).refine(
  ({ patch_size, architecture: { arch_kwargs: { strides } } }) =>
    patch_size.every((size, a) => size % strides.reduce((product, stride) => product * stride[a], 1) === 0),
  "wanted a patch_size that the strides divide",
);

const plansSchema: z.ZodType<Plans> = z.object({
  dataset_name: z.string().min(1),
  plans_name: z.string().regex(/^[^/\\]+$/, "wanted a name without slashes"),
  original_median_spacing_after_transp: dims(positive),
  original_median_shape_after_transp: dims(positive),
  image_reader_writer: z.string(),
  transpose_forward: permutation,
  transpose_backward: permutation,
  configurations: z.record(z.string(), configuration),
  experiment_planner_used: z.string(),
  label_manager: z.literal("LabelManager", "wanted LabelManager"),
  foreground_intensity_properties_per_channel: z.record(z.string(), intensitySchema),
  pretrain_info: z.record(z.string(), z.unknown()).optional(),
  orientation: z.string().nullable().optional(),
}).refine(
  ({ transpose_forward, transpose_backward }) =>
    transpose_forward.every((from, to) => transpose_backward[from] === to),
  "wanted transpose_backward to undo transpose_forward",
);

/**
 * Plans from the content of a plans.json: inherited configurations completed, two-dimensional ones left out, networks in today's form.
 *
 * @param file path for messages
 * @throws {LayerError} when a network has layers that are not computed here
 * @throws {DataError} naming the first wrong field
 */
export function parsePlans(content: unknown, file: string): Plans {
  const refuse = (found: string, remedy: string): never => {
    throw new DataError({ file, found, wanted: "a plans.json of nnU-Net v2", remedy });
  };
  if (!isFields(content) || !isFields(content.configurations)) {
    if (isFields(content) && "plans_per_stage" in content) {
      return refuse("plans of nnU-Net v1", "plan the data set again: spark3d plan-dataset");
    }
    if (isFields(content) && "spacings" in content) {
      return refuse("a fingerprint", "name the plans file beside it");
    }
    return refuse("no configurations", "check the path");
  }
  const { configurations: all, ...rest } = content;
  let configurations: [string, Fields][] = [];
  try {
    configurations = Object.keys(all).map((name) => [name, withArchitecture(inherited(all, name))]);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return refuse(error.message, "correct inherits_from");
  }
  const spatial = configurations.filter(([, { patch_size }]) =>
    !(Array.isArray(patch_size) && patch_size.length === 2)
  );
  if (spatial.length === 0) return refuse("two-dimensional configurations only", "plan the data set in 3-D");
  const parsed = plansSchema.safeParse({ ...rest, configurations: Object.fromEntries(spatial) }, {
    reportInput: true,
  });
  if (!parsed.success) {
    const layers = layerIssue(parsed.error.issues);
    if (layers !== null) {
      throw new LayerError({ file, ...layers, remedy: "use a network with the layers that nnU-Net plans" });
    }
    const { path, message } = parsed.error.issues[0];
    const text = path.length > 0 ? `${path.join(".")}: ${message}` : message;
    return refuse(text, "correct the file, or plan the data set again: spark3d plan-dataset");
  }
  const plans = parsed.data;
  const orientation = readerOrientation(plans.image_reader_writer);
  return plans.orientation === undefined && orientation !== null ? { ...plans, orientation } : plans;
}
