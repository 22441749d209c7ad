/** Plans of a made-up data set, as the planner would write them. */
import type { Plans } from "../../../data/nnunet/plans.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import type { NetworkConfig } from "../../../model/config.ts";
import { architecturePlan } from "../../../train/architecture_plan.ts";

/** Plans with one configuration, 3d_fullres: two channels (CT, MR) of 2 x 0.5 x 0.5 mm, first axis last in the files. */
export function planOfNetwork(network: NetworkConfig, patch: Dims3): Plans {
  const resampling = { is_seg: false, order: 3, order_z: 0, force_separate_z: null } as const;
  return {
    dataset_name: "Dataset900_Made",
    plans_name: "nnUNetResEncUNetLPlans",
    original_median_spacing_after_transp: [2, 0.5, 0.5],
    original_median_shape_after_transp: [60, 200, 220],
    image_reader_writer: "SimpleITKIO",
    transpose_forward: [2, 0, 1],
    transpose_backward: [1, 2, 0],
    configurations: {
      "3d_fullres": {
        data_identifier: "nnUNetResEncUNetLPlans_3d_fullres",
        preprocessor_name: "DefaultPreprocessor",
        batch_size: 2,
        patch_size: patch,
        median_image_size_in_voxels: [60, 200, 220],
        spacing: [2, 0.5, 0.5],
        normalization_schemes: ["CTNormalization", "ZScoreNormalization"],
        use_mask_for_norm: [false, true],
        resampling_fn_data: "resample_data_or_seg_to_shape",
        resampling_fn_seg: "resample_data_or_seg_to_shape",
        resampling_fn_data_kwargs: resampling,
        resampling_fn_seg_kwargs: { ...resampling, is_seg: true, order: 1 },
        resampling_fn_probabilities: "resample_data_or_seg_to_shape",
        resampling_fn_probabilities_kwargs: { ...resampling, order: 1 },
        architecture: architecturePlan(network),
        batch_dice: false,
      },
    },
    experiment_planner_used: "nnUNetPlannerResEncL",
    label_manager: "LabelManager",
    foreground_intensity_properties_per_channel: {},
  };
}
