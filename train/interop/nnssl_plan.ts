import type { AdaptationPlan, PretrainPlan } from "../adaptation_plan.ts";
import type { JsonObject } from "../merge_config.ts";

/** nnssl's and nnU-Net's function for images and label maps alike; the names in our own plans are those of our functions. */
const RESAMPLING = "resample_data_or_seg_to_shape";

/** Reader that turns every image to right, anterior, superior, and the one that keeps the axes of the file. */
const READERS = { reorienting: "NibabelIOWithReorient", plain: "SimpleITKIO" } as const;

/** Name of the reader that brings volumes to an orientation; null where nnssl and nnU-Net have none that does. */
export function readerFor(orientation: string | null | undefined): string | null {
  if (!orientation) return READERS.plain;
  return orientation === "RAS" ? READERS.reorienting : null;
}

/** Sentence about axes that a reader of nnssl or nnU-Net cannot restore; null where it can. */
export function orientationNote(orientation: string | null | undefined): string | null {
  if (readerFor(orientation) !== null) return null;
  return `Volumes were brought to ${orientation}, which no reader of nnU-Net does: turn scans to ${orientation} first`;
}

/**
 * An adaptation plan with exactly the fields that nnssl knows: its classes refuse others. Where the axes were turned, the plan names the
 * reader that does the same.
 *
 * Source: `AdaptationPlan.serialize` and `Plan.from_dict` of nnssl.
 */
export function nnsslAdaptationPlan(plan: AdaptationPlan): JsonObject {
  const { arch_class_name, arch_kwargs, arch_kwargs_requiring_import } = plan.architecture_plans;
  return {
    architecture_plans: { arch_class_name, arch_kwargs, arch_kwargs_requiring_import },
    pretrain_plan: nnsslPretrainPlan(plan.pretrain_plan),
    pretrain_num_input_channels: plan.pretrain_num_input_channels,
    recommended_downstream_patchsize: plan.recommended_downstream_patchsize,
    key_to_encoder: plan.key_to_encoder,
    key_to_stem: plan.key_to_stem,
    keys_to_in_proj: plan.keys_to_in_proj,
    key_to_lpe: plan.key_to_lpe,
  };
}

/** The plan of the training data with the fields of nnssl's `Plan`, of its one configuration those of `ConfigurationPlan`. */
export function nnsslPretrainPlan(plan: PretrainPlan): JsonObject {
  const [[name, used]] = Object.entries(plan.configurations);
  return {
    dataset_name: plan.dataset_name,
    plans_name: plan.plans_name ?? "nnsslPlans",
    original_median_spacing_after_transp: plan.original_median_spacing_after_transp ?? used.spacing,
    image_reader_writer: readerFor(plan.orientation) ?? READERS.plain,
    transpose_forward: plan.transpose_forward,
    transpose_backward: plan.transpose_backward,
    configurations: {
      [name]: {
        data_identifier: used.data_identifier ?? `nnsslPlans_${name}`,
        preprocessor_name: used.preprocessor_name ?? "DefaultPreprocessor",
        spacing_style: used.spacing_style ?? name,
        normalization_schemes: used.normalization_schemes,
        use_mask_for_norm: used.use_mask_for_norm ?? used.normalization_schemes.map(() => false),
        resampling_fn_data: RESAMPLING,
        resampling_fn_data_kwargs: used.resampling_fn_data_kwargs ?? resampling(false, 3),
        resampling_fn_mask: RESAMPLING,
        resampling_fn_mask_kwargs: used.resampling_fn_mask_kwargs ?? used.resampling_fn_seg_kwargs ??
          resampling(true, 1),
        spacing: used.spacing,
        patch_size: used.patch_size,
      },
    },
    experiment_planner_used: plan.experiment_planner_used ?? "ExperimentPlanner",
  };
}

function resampling(isSeg: boolean, order: number): JsonObject {
  return { is_seg: isSeg, order, order_z: 0, force_separate_z: null };
}
