import { DataError } from "../../errors.ts";
import { roundHalfToEven } from "../../resample.ts";
import { type Dims3, transposed, voxelCount } from "../../volume.ts";
import type { LabelledFingerprint } from "../fingerprint.ts";
import type { LabelSet } from "../labels.ts";
import { IMPORTED_ARGUMENTS, LAYER_ARGUMENTS } from "../layer_arguments.ts";
import { readerOrientation } from "../reader_orientation.ts";
import type { ArchitecturePlan, ConfigurationPlan, Plans } from "../plans.ts";
import { masksForNorm, normalizationScheme } from "./normalization.ts";
import { type PlannedNetwork, planNetwork } from "./plan_network.ts";
import { type PlannerName, PLANNERS } from "./planners.ts";
import { perAxisMedian, type TargetGrid, targetGrid } from "./target_spacing.ts";
import { planTopology } from "./topology.ts";

/** What is planned for. */
export interface ExperimentDemand {
  /** Of the data set. */
  readonly name: string;
  readonly channelNames: readonly string[];
  readonly labels: Pick<LabelSet, "declared">;
  readonly fingerprint: LabelledFingerprint;
  readonly planner: PlannerName;
  /** GiB of GPU memory to plan for; the planner's own when left out. */
  readonly gpuMemoryGb?: number;
  /** `overwrite_image_reader_writer` of dataset.json. */
  readonly reader?: string | null;
}

/** Below this share of the median case, the patch of 3d_fullres sees too little, and 3d_lowres is planned. */
const LOWRES_BELOW = 0.25;
const SPACING_GROWTH = 1.03;
/** 3d_lowres must have at most this share of the voxels of 3d_fullres. */
const LOWRES_VOXELS = 1 / 2;

/**
 * Plans 3d_fullres, and 3d_lowres with its cascade where the patch covers less than a quarter of the median case.
 *
 * @throws {RangeError} without cases
 * @throws {DataError} for single slices, and cases too small to be halved once
 * Source: nnU-Net v2 `ExperimentPlanner.plan_experiment`
 */
export function planExperiment(demand: ExperimentDemand): Plans {
  const { fingerprint } = demand;
  const planner = PLANNERS[demand.planner];
  const gpuMemoryGb = demand.gpuMemoryGb ?? planner.nominalGb;
  const plansName = planner.plansName + (gpuMemoryGb === planner.nominalGb ? "" : `_${gpuMemoryGb}GB`);
  const grid = targetGrid(fingerprint);
  const cases = fingerprint.spacings.length;
  requirePoolable(demand.name, grid);
  const network = (spacing: Dims3, medianShape: Dims3, voxels: number): PlannedNetwork =>
    planNetwork({
      spacing,
      medianShape,
      datasetVoxels: voxels * cases,
      declaredLabels: demand.labels.declared,
      planner,
      gpuMemoryGb,
    });
  const full = network(grid.spacing, grid.medianShape, voxelCount(grid.medianShape));
  const low = planLowres(grid, full, network);
  const schemes = demand.channelNames.map(normalizationScheme);
  const common = {
    preprocessor_name: "DefaultPreprocessor",
    normalization_schemes: schemes,
    use_mask_for_norm: masksForNorm(schemes, fingerprint.median_relative_size_after_cropping),
    ...RESAMPLING,
  };
  const fullres: ConfigurationPlan = {
    data_identifier: "nnUNetPlans_3d_fullres", // the same for all planners: the patch does not change the preprocessed cases
    batch_size: full.batch,
    patch_size: full.patch,
    median_image_size_in_voxels: grid.medianShape,
    spacing: grid.spacing,
    ...common,
    architecture: architecture(full, planner.network),
    batch_dice: low !== null,
  };
  const lowres = low && {
    "3d_lowres": {
      data_identifier: `${plansName}_3d_lowres`,
      batch_size: low.network.batch,
      patch_size: low.network.patch,
      median_image_size_in_voxels: low.medianShape,
      spacing: low.spacing,
      ...common,
      architecture: architecture(low.network, planner.network),
      batch_dice: false,
      next_stage: "3d_cascade_fullres",
    },
    "3d_cascade_fullres": { ...fullres, previous_stage: "3d_lowres" },
  };
  const orientation = readerOrientation(demand.reader);
  return {
    dataset_name: demand.name,
    plans_name: plansName,
    original_median_spacing_after_transp: transposed(
      perAxisMedian(fingerprint.spacings),
      grid.transposeForward,
    ),
    original_median_shape_after_transp: rounded(
      transposed(perAxisMedian(fingerprint.shapes_after_crop), grid.transposeForward),
    ),
    image_reader_writer: demand.reader && demand.reader !== "None" ? demand.reader : "SimpleITKIO",
    transpose_forward: grid.transposeForward,
    transpose_backward: grid.transposeBackward,
    configurations: { "3d_fullres": fullres, ...lowres },
    experiment_planner_used: planner.className,
    label_manager: "LabelManager",
    foreground_intensity_properties_per_channel: fingerprint.foreground_intensity_properties_per_channel,
    ...(orientation === null ? {} : { orientation }),
  };
}

function requirePoolable(name: string, { spacing, medianShape }: TargetGrid): void {
  const slices = medianShape[0] <= 1;
  if (!slices && planTopology(spacing, medianShape).strides.length > 1) return;
  const remedy = slices ? "two-dimensional data cannot be planned" : "choose larger images";
  throw new DataError({
    file: name,
    action: "plan",
    found: `a median case of ${medianShape.join("x")} voxels`,
    wanted: "volumes that a network can halve, of 8 voxels along two axes at least",
    remedy,
  });
}

interface Lowres {
  readonly spacing: Dims3;
  readonly medianShape: Dims3;
  readonly network: PlannedNetwork;
}

/** Coarsens the spacing by 3 % steps, axes finer than half the coarsest first, until the patch covers a quarter of the median case. */
function planLowres(
  full: { readonly spacing: Dims3; readonly medianShape: Dims3 },
  fullNetwork: PlannedNetwork,
  plan: (spacing: Dims3, medianShape: Dims3, voxels: number) => PlannedNetwork,
): Lowres | null {
  const fullVoxels = voxelCount(full.medianShape);
  let low: Lowres | null = null;
  let spacing = full.spacing, voxels = fullVoxels, network = fullNetwork;
  while (voxelCount(network.patch) / voxels < LOWRES_BELOW) {
    const coarsest = Math.max(...spacing);
    const fine = spacing.map((step) => coarsest / step > 2);
    const grown = (axis: number) =>
      fine[axis] || !fine.includes(true) ? spacing[axis] * SPACING_GROWTH : spacing[axis];
    spacing = [grown(0), grown(1), grown(2)];
    const size = (axis: number) => full.spacing[axis] / spacing[axis] * full.medianShape[axis];
    const exact: Dims3 = [size(0), size(1), size(2)];
    voxels = voxelCount(exact);
    const medianShape = rounded(exact);
    network = plan(spacing, medianShape, voxels);
    low = { spacing, medianShape, network };
  }
  return voxels > fullVoxels * LOWRES_VOXELS ? null : low;
}

const RESAMPLING = {
  resampling_fn_data: "resample_data_or_seg_to_shape",
  resampling_fn_seg: "resample_data_or_seg_to_shape",
  resampling_fn_data_kwargs: { is_seg: false, order: 3, order_z: 0, force_separate_z: null },
  resampling_fn_seg_kwargs: { is_seg: true, order: 1, order_z: 0, force_separate_z: null },
  resampling_fn_probabilities: "resample_data_or_seg_to_shape",
  resampling_fn_probabilities_kwargs: { is_seg: false, order: 1, order_z: 0, force_separate_z: null },
} as const;

function architecture(network: PlannedNetwork, kind: "plain" | "residual"): ArchitecturePlan {
  const { encoder, decoder } = network;
  return {
    network_class_name: `dynamic_network_architectures.architectures.unet.${
      kind === "plain" ? "PlainConvUNet" : "ResidualEncoderUNet"
    }`,
    arch_kwargs: {
      n_stages: network.strides.length,
      features_per_stage: network.features,
      kernel_sizes: network.kernels,
      strides: network.strides,
      ...(kind === "plain" ? { n_conv_per_stage: encoder } : { n_blocks_per_stage: encoder }),
      n_conv_per_stage_decoder: decoder,
      ...LAYER_ARGUMENTS,
    },
    _kw_requires_import: IMPORTED_ARGUMENTS,
  };
}

function rounded(values: Dims3): Dims3 {
  return [roundHalfToEven(values[0]), roundHalfToEven(values[1]), roundHalfToEven(values[2])];
}
