import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { type LabelledDataset, readDataset } from "../../data/nnunet/dataset.ts";
import { LAYER_ARGUMENTS } from "../../data/nnunet/layer_arguments.ts";
import type { ConfigurationPlan, NormalizationScheme, Plans } from "../../data/nnunet/plans.ts";
import { hashRandom } from "../../data/random.ts";
import { type Affine, diagonalAffine, type Dims3, makeVolume, voxelCount } from "../../data/volume.ts";

/** A case to be written; voxel values by position. */
export interface SmallCase {
  readonly id: string;
  readonly shape: Dims3;
  readonly affine?: Affine;
  /** One a channel. */
  readonly images: readonly ((z: number, y: number, x: number) => number)[];
  readonly label: (z: number, y: number, x: number) => number;
}

/** Noise around 100 with a rim of zeros, one voxel wide. */
export function noise(shape: Dims3, seed: number): (z: number, y: number, x: number) => number {
  const random = hashRandom(seed);
  const values = Float32Array.from({ length: voxelCount(shape) }, () => 100 + 20 * random.normal());
  return (z, y, x) => {
    const rim = [z, y, x].some((at, axis) => at === 0 || at === shape[axis] - 1);
    return rim ? 0 : values[(z * shape[1] + y) * shape[2] + x];
  };
}

/** Values of a function over a grid, `[D, H, W]`. */
export function grid(shape: Dims3, value: (z: number, y: number, x: number) => number): Float32Array {
  const [, h, w] = shape;
  return Float32Array.from(
    { length: voxelCount(shape) },
    (_, i) => value(Math.floor(i / w / h), Math.floor(i / w) % h, i % w),
  );
}

/** Writes cases in nnU-Net's layout below `folder` and reads the data set; `labels` are those of dataset.json. */
export async function writeSmallDataset(
  folder: string,
  cases: readonly SmallCase[],
  labels: Readonly<Record<string, number | readonly number[]>> = { background: 0, a: 1, b: 2 },
  more: Readonly<Record<string, unknown>> = {},
): Promise<LabelledDataset> {
  await Deno.mkdir(`${folder}/imagesTr`, { recursive: true });
  await Deno.mkdir(`${folder}/labelsTr`, { recursive: true });
  for (const { id, shape, images, label, affine = diagonalAffine([1, 1, 1]) } of cases) {
    for (const [channel, value] of images.entries()) {
      const path = `${folder}/imagesTr/${id}_000${channel}.nii.gz`;
      await writeNifti(path, makeVolume(grid(shape, value), shape, affine));
    }
    await writeNifti(`${folder}/labelsTr/${id}.nii.gz`, makeVolume(grid(shape, label), shape, affine), {
      dtype: "int16",
    });
  }
  const names = cases[0].images.map((_, channel) => [String(channel), `MR${channel}`]);
  const description = {
    channel_names: Object.fromEntries(names),
    labels,
    numTraining: cases.length,
    file_ending: ".nii.gz",
    ...more,
  };
  await Deno.writeTextFile(`${folder}/dataset.json`, JSON.stringify(description));
  return await readDataset(folder);
}

/** What a small plan is about; z-scores at 1 mm in the order of the file when left out. */
export interface SmallPlan {
  readonly spacing?: Dims3 | null;
  readonly schemes?: readonly NormalizationScheme[];
  readonly useMask?: readonly boolean[];
  readonly transpose?: Dims3;
  readonly orientation?: string | null;
}

/** Plans with one configuration, "3d_fullres", for a network that nobody builds. */
export function smallPlans(
  { spacing = [1, 1, 1], schemes = ["ZScoreNormalization"], useMask, transpose = [0, 1, 2], orientation }:
    SmallPlan = {},
): Plans {
  const resampling = (is_seg: boolean, order: number) => ({
    is_seg,
    order,
    order_z: 0,
    force_separate_z: null,
  });
  const name = "resample_data_or_seg_to_shape";
  const configuration: ConfigurationPlan = {
    data_identifier: "small_3d_fullres",
    preprocessor_name: "DefaultPreprocessor",
    batch_size: 2,
    patch_size: [8, 8, 8],
    median_image_size_in_voxels: [8, 8, 8],
    spacing,
    normalization_schemes: schemes,
    use_mask_for_norm: useMask ?? schemes.map(() => false),
    resampling_fn_data: name,
    resampling_fn_seg: name,
    resampling_fn_probabilities: name,
    resampling_fn_data_kwargs: resampling(false, 3),
    resampling_fn_seg_kwargs: resampling(true, 1),
    resampling_fn_probabilities_kwargs: resampling(false, 1),
    architecture: {
      network_class_name: "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
      arch_kwargs: {
        n_stages: 2,
        features_per_stage: [4, 8],
        kernel_sizes: [[3, 3, 3], [3, 3, 3]],
        strides: [[1, 1, 1], [2, 2, 2]],
        n_blocks_per_stage: [1, 1],
        n_conv_per_stage_decoder: [1],
        ...LAYER_ARGUMENTS,
      },
      _kw_requires_import: ["conv_op", "norm_op", "dropout_op", "nonlin"],
    },
    batch_dice: false,
  };
  return {
    dataset_name: "Dataset001_Small",
    plans_name: "smallPlans",
    original_median_spacing_after_transp: [1, 1, 1],
    original_median_shape_after_transp: [8, 8, 8],
    image_reader_writer: "SimpleITKIO",
    transpose_forward: transpose,
    transpose_backward: [transpose.indexOf(0), transpose.indexOf(1), transpose.indexOf(2)],
    configurations: { "3d_fullres": configuration },
    experiment_planner_used: "ExperimentPlanner",
    label_manager: "LabelManager",
    foreground_intensity_properties_per_channel: {
      "0": { mean: 100, median: 100, std: 20, min: 0, max: 200, percentile_00_5: 60, percentile_99_5: 140 },
    },
    ...(orientation === undefined ? {} : { orientation }),
  };
}
