import type { ConfigurationPlan, Plans } from "../../data/nnunet/plans.ts";
import { inversePermutation } from "../../data/plan.ts";
import { readSafetensorsHeader } from "../../data/safetensors_file.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { type AdaptationPlan, type PretrainPlan, usedConfiguration } from "../adaptation_plan.ts";
import { namedArchitecture } from "../architecture_plan.ts";
import { planOf, TransferError } from "./transfer.ts";

/**
 * What a pre-trained network's plan takes its voxel size from: the data set's own plan, the pre-training, a given spacing, or
 * nowhere (no resampling).
 */
export const planModes = ["dynamic", "like-pretrained", "fixed", "no-resample"] as const;
/** One of {@linkcode planModes}. */
export type PlanMode = (typeof planModes)[number];

/** A checkpoint as plans see it. */
export interface PretrainedCheckpoint {
  /** Path of the safetensors file. */
  readonly path: string;
  /** Name for plans: that of the run folder, or of a file elsewhere. */
  readonly name: string;
  readonly adaptationPlan: AdaptationPlan;
}

/** Settings of {@linkcode adaptPlans}. */
export interface PlanModeOptions {
  readonly checkpoint: PretrainedCheckpoint;
  /** mm along the axes of the pre-training (transposed z, y, x); for mode `fixed` */
  readonly spacing?: Dims3;
}

/** A plan that cannot be made from a checkpoint. */
export class PlanModeError extends Error {
  override readonly name = "PlanModeError";
}

/** The one configuration of a pre-trained network's plans. */
const CONFIGURATION = "3d_fullres";

/** Patches of a step; nnU-Net's pre-trained plans have two, whatever the data set's own plan says. */
const BATCH_SIZE = 2;

const CITATIONS = [
  "Wald et al., Revisiting MAE pre-training for 3D medical image segmentation, arXiv:2410.23132",
];

/**
 * Reads what plans need to know of a checkpoint.
 *
 * @param path safetensors file; in a run folder, the folder gives the name
 * @throws {TransferError} when it holds no adaptation plan
 * @throws {SafetensorsError | DataError} when it cannot be read
 */
export async function readPretrained(path: string): Promise<PretrainedCheckpoint> {
  const { metadata } = await readSafetensorsHeader(path);
  const parts = path.split(/[/\\]/).filter((part) => part !== "" && part !== ".");
  const inRun = parts.length > 2 && parts.at(-2) === "checkpoints";
  const name = inRun ? parts.at(-3)! : parts.at(-1)!.replace(/\.[^.]*$/, "");
  return { path, name, adaptationPlan: planOf(path, metadata) };
}

/**
 * The plans with which a pre-trained network is fine-tuned: those of the data set with the checkpoint's architecture, patch and
 * z-scores for every channel, and one configuration, `3d_fullres`.
 *
 * Volumes are brought to the axes of the pre-training (`orientation`, `transpose_forward`) where the checkpoint knows them. Mode
 * `dynamic` keeps the axes of the data set's own plan when its voxels are not cubes: its spacing belongs to those axes.
 *
 * @throws {PlanModeError} for mode fixed without spacing, data without 3d_fullres
 * @throws {TransferError | ConfigError} for an architecture that is not known, or layers that are not computed here
 * Source: `like_nnssl.py` of TaWald/nnUNet (branch nnssl_finetuning_inclusion).
 */
export function adaptPlans(dynamicPlans: Plans, mode: PlanMode, options: PlanModeOptions): Plans {
  const { checkpoint } = options;
  const { adaptationPlan } = checkpoint;
  const base = dynamicPlans.configurations[CONFIGURATION];
  if (base === undefined) {
    throw new PlanModeError(
      `Cannot make plans from ${checkpoint.name}: ${dynamicPlans.plans_name} has configurations ${
        Object.keys(dynamicPlans.configurations).join(", ")
      }, wanted ${CONFIGURATION}: plan the data set again`,
    );
  }
  const architecture = namedArchitecture(adaptationPlan.architecture_plans);
  if (architecture === null) {
    throw new TransferError(
      checkpoint.path,
      `architecture ${adaptationPlan.architecture_plans.arch_class_name}`,
      "use a checkpoint of a ResidualEncoderUNet or PlainConvUNet",
    );
  }
  const spacing = spacingOf(mode, base, options);
  const axes = mode === "dynamic" && !isCubic(base.spacing)
    ? axesOf(dynamicPlans)
    : pretrainedAxes(adaptationPlan.pretrain_plan, dynamicPlans);
  const schemes = base.normalization_schemes.map(() => "ZScoreNormalization" as const);
  const identifier = dataIdentifier(spacing, schemes.length, axes.orientation);
  const configuration: ConfigurationPlan = {
    ...base,
    data_identifier: identifier,
    batch_size: BATCH_SIZE,
    patch_size: adaptationPlan.recommended_downstream_patchsize,
    median_image_size_in_voxels: medianShape(dynamicPlans, axes.transpose_forward, spacing),
    spacing,
    normalization_schemes: schemes,
    architecture,
  };
  const { next_stage: _next, previous_stage: _previous, ...alone } = configuration;
  return {
    ...dynamicPlans,
    ...axes,
    plans_name: `ptPlans__${checkpoint.name}____${identifier}`,
    original_median_spacing_after_transp: reordered(dynamicPlans, axes.transpose_forward).spacing,
    original_median_shape_after_transp: reordered(dynamicPlans, axes.transpose_forward).shape,
    configurations: { [CONFIGURATION]: alone },
    pretrain_info: pretrainInfo(checkpoint),
  };
}

type Axes = Pick<Plans, "transpose_forward" | "transpose_backward" | "orientation">;

function axesOf({ transpose_forward, transpose_backward, orientation = null }: Plans): Axes {
  return { transpose_forward, transpose_backward, orientation };
}

function pretrainedAxes(
  { orientation, transpose_forward, transpose_backward }: PretrainPlan,
  own: Plans,
): Axes {
  return orientation === null ? axesOf(own) : { orientation, transpose_forward, transpose_backward };
}

function isCubic(spacing: Dims3 | null): boolean {
  return spacing === null || Math.max(...spacing) - Math.min(...spacing) < 1e-4 * Math.max(...spacing);
}

function spacingOf(mode: PlanMode, base: ConfigurationPlan, options: PlanModeOptions): Dims3 | null {
  switch (mode) {
    case "dynamic":
      return base.spacing;
    case "like-pretrained":
      return usedConfiguration(options.checkpoint.adaptationPlan.pretrain_plan).spacing;
    case "no-resample":
      return null;
    case "fixed": {
      const { spacing } = options;
      if (spacing && spacing.every((mm) => Number.isFinite(mm) && mm > 0)) return spacing;
      throw new PlanModeError(
        `Cannot make plans of mode fixed: found spacing ${
          spacing ?? "none"
        }, wanted three positive lengths in mm: ` +
          `give a spacing, or use mode like-pretrained`,
      );
    }
  }
}

/** Folder name of the prepared cases; nnU-Net's, and the axes when they are not those of the files. */
function dataIdentifier(
  spacing: Dims3 | null,
  channels: number,
  orientation: string | null | undefined,
): string {
  const mm = spacing ? spacing.map((length) => length.toFixed(2)).join("_") : "None_None_None";
  const axes = orientation ? `___Axes__${orientation}` : "";
  return `Spacing__${mm}___Norm__${new Array(channels).fill("Z").join("_")}${axes}`;
}

/** Median spacing and shape of the data set along other transposed axes. */
function reordered(plans: Plans, forward: Dims3): { readonly spacing: Dims3; readonly shape: Dims3 } {
  const from = inversePermutation(plans.transpose_forward);
  const move = (
    values: Dims3,
  ): Dims3 => [values[from[forward[0]]], values[from[forward[1]]], values[from[forward[2]]]];
  return {
    spacing: move(plans.original_median_spacing_after_transp),
    shape: move(plans.original_median_shape_after_transp),
  };
}

function medianShape(plans: Plans, forward: Dims3, target: Dims3 | null): Dims3 {
  const { spacing, shape } = reordered(plans, forward);
  if (target === null) return shape;
  const scaled = (axis: 0 | 1 | 2) => Math.max(1, Math.round(shape[axis] * spacing[axis] / target[axis]));
  return [scaled(0), scaled(1), scaled(2)];
}

function pretrainInfo({ path, name, adaptationPlan }: PretrainedCheckpoint): Plans["pretrain_info"] {
  return {
    checkpoint_path: path,
    checkpoint_name: name,
    key_to_encoder: adaptationPlan.key_to_encoder,
    key_to_stem: adaptationPlan.key_to_stem,
    keys_to_in_proj: adaptationPlan.keys_to_in_proj,
    key_to_lpe: adaptationPlan.key_to_lpe,
    pt_num_in_channels: adaptationPlan.pretrain_num_input_channels,
    pt_used_patchsize: usedConfiguration(adaptationPlan.pretrain_plan).patch_size,
    pt_recommended_downstream_patchsize: adaptationPlan.recommended_downstream_patchsize,
    citations: CITATIONS,
  };
}
