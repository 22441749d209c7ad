import { type DatasetFingerprint, medianSpacing } from "./fingerprint.ts";
import { type Dims3, transposed } from "./volume.ts";

/** Names of the three preprocessing configurations that are always planned. */
export type ConfigurationName = "median" | "onemmiso" | "noresample";

/** One way to preprocess a collection. */
export interface DatasetConfiguration {
  readonly data_identifier: string;
  readonly preprocessor_name: string;
  readonly spacing_style: ConfigurationName;
  readonly normalization_schemes: readonly string[];
  readonly use_mask_for_norm: readonly boolean[];
  readonly resampling_fn_data: string;
  readonly resampling_fn_data_kwargs: ResamplingSettings;
  readonly resampling_fn_mask: string;
  readonly resampling_fn_mask_kwargs: ResamplingSettings;
  /** mm along the transposed axes; null leaves the spacing of each image. */
  readonly spacing: Dims3 | null;
  /** Filled in by the trainer. */
  readonly patch_size: Dims3 | null;
}

/** Arguments of a resampling function, as nnU-Net names them. */
export interface ResamplingSettings {
  readonly is_seg: boolean;
  readonly order: number;
  readonly order_z: number;
  readonly force_separate_z: boolean | null;
}

/** Content of nnsslPlans.json. */
export interface DatasetPlan {
  readonly dataset_name: string;
  readonly plans_name: string;
  readonly original_median_spacing_after_transp: Dims3;
  readonly image_reader_writer: string;
  /** Axis codes that images are reoriented to first; null when the axes of the files are kept. */
  readonly orientation: string | null;
  readonly transpose_forward: Dims3;
  readonly transpose_backward: Dims3;
  readonly experiment_planner_used: string;
  readonly configurations: Readonly<Record<ConfigurationName, DatasetConfiguration>>;
}

/** Axis order with the coarsest median spacing first (the first of equals), the others in order. */
export function transposeForward(median: Dims3): Dims3 {
  const coarsest = median.indexOf(Math.max(...median));
  const [second, third] = [0, 1, 2].filter((axis) => axis !== coarsest);
  return [coarsest, second, third];
}

/** Inverse permutation: `inverse[order[a]] = a`. */
export function inversePermutation(order: Dims3): Dims3 {
  return [order.indexOf(0), order.indexOf(1), order.indexOf(2)];
}

/** Plans the three configurations of a collection from its fingerprint. @throws {RangeError} without images */
export function planDataset(
  name: string,
  fingerprint: DatasetFingerprint,
  orientation: string | null,
): DatasetPlan {
  const median = medianSpacing(fingerprint);
  const forward = transposeForward(median);
  const spacing = transposed(median, forward);
  return {
    dataset_name: name,
    plans_name: "nnsslPlans",
    original_median_spacing_after_transp: spacing,
    image_reader_writer: orientation === null ? "NiftiReader" : "NiftiReaderWithReorientation",
    orientation,
    transpose_forward: forward,
    transpose_backward: inversePermutation(forward),
    experiment_planner_used: "FixedSpacingPlanner",
    configurations: {
      median: configuration("median", spacing),
      onemmiso: configuration("onemmiso", [1, 1, 1]),
      noresample: configuration("noresample", null),
    },
  };
}

function configuration(name: ConfigurationName, spacing: Dims3 | null): DatasetConfiguration {
  return {
    data_identifier: `nnsslPlans_${name}`,
    preprocessor_name: "DefaultPreprocessor",
    spacing_style: name,
    normalization_schemes: ["ZScoreNormalization"],
    use_mask_for_norm: [false],
    resampling_fn_data: "resampleImage",
    resampling_fn_data_kwargs: { is_seg: false, order: 3, order_z: 0, force_separate_z: null },
    resampling_fn_mask: "resampleLabels",
    resampling_fn_mask_kwargs: { is_seg: true, order: 1, order_z: 0, force_separate_z: null },
    spacing,
    patch_size: null,
  };
}
