/** Fine-tuning runs that take a second or two: a two-stage network, 16^3 patches, blobs to find. */
import { writeJsonAtomic } from "../../../data/atomic.ts";
import { writeNifti } from "../../../data/formats/nifti/write_nifti.ts";
import type { LoadedCrop } from "../../../data/labelled/loader.ts";
import { prepareLabelled } from "../../../data/labelled/prepare_labelled.ts";
import { readDataset } from "../../../data/nnunet/dataset.ts";
import { type LabelSet, parseLabels } from "../../../data/nnunet/labels.ts";
import { LAYER_ARGUMENTS } from "../../../data/nnunet/layer_arguments.ts";
import type { ConfigurationPlan, Plans } from "../../../data/nnunet/plans.ts";
import { diagonalAffine, makeVolume } from "../../../data/volume.ts";
import { hashRandom } from "../../../data/random.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { type FinetuneConfig, finetuneConfigSchema } from "../../../train/finetune/config.ts";
import type { StopReason, TrainEvent } from "../../../train/events.ts";
import { type FinetuneLoopRequest, runFinetuning } from "../../../train/finetune/loop.ts";
import type { FinetuneSummary } from "../../../train/finetune/run_folder.ts";
import { type JsonObject, mergeConfig } from "../../../train/merge_config.ts";

/** dataset.json of two nested structures: a shell (1) around a core (2). */
export const blobDataset: JsonObject = {
  channel_names: { 0: "T1" },
  labels: { background: 0, shell: 1, core: 2 },
  numTraining: 5,
  file_ending: ".nii.gz",
};

/** The same as regions, with voxels that nobody annotated. */
export const regionDataset: JsonObject = {
  ...blobDataset,
  labels: { background: 0, whole: [1, 2], core: 2, ignore: 3 },
  regions_class_order: [1, 2],
};

/** Two epochs of three steps without augmentation. */
export function tinyFinetuneConfig(changes: JsonObject = {}): FinetuneConfig {
  const tiny: JsonObject = {
    network: {
      encoder: "residual",
      inputChannels: 1,
      outputChannels: 3,
      features: [4, 6],
      kernels: [[3, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [2, 2, 2]],
      blocks: [1, 1],
      decoderConvs: [1],
    },
    patch: [16, 16, 16],
    optimizer: { kind: "sgd", lr: 1e-2 },
    schedule: { kind: "default" },
    epochs: 2,
    stepsPerEpoch: 3,
    validationSteps: 2,
    checkpointEveryEpochs: 1,
    metricsEvery: 2,
    augmentation: { enabled: false },
    precision: "f32",
  };
  const config = finetuneConfigSchema.parse(mergeConfig(tiny, changes));
  return { ...config, loader: { workers: 0, prefetch: 2 } }; // reads on the calling thread
}

/** Labels of a dataset.json. */
export function labelsOf(dataset: JsonObject): LabelSet {
  return parseLabels(dataset);
}

/** A crop with a bright core in a grey shell somewhere, as a loader would hand it out; `ignored` marks a corner as not annotated. */
export function blobCrop(
  size: Dims3,
  channels: number,
  step: number,
  sampleIndex: number,
  ignored: number | null = null,
): LoadedCrop {
  const random = hashRandom(7, step, sampleIndex);
  const [d, h, w] = size;
  const centre = size.map((extent) => extent / 2 - 2 + 4 * random.uniform());
  const radius = 4.5 + random.uniform();
  const voxels = d * h * w;
  const label = new Float32Array(voxels), image = new Float32Array(channels * voxels);
  for (let i = 0; i < voxels; i++) {
    const [z, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    const distance = Math.hypot(z - centre[0], y - centre[1], x - centre[2]);
    label[i] = distance < 0.5 * radius ? 2 : distance < radius ? 1 : 0;
    for (let c = 0; c < channels; c++) {
      image[c * voxels + i] = label[i] * (c === 0 ? 1 : 0.5) - 0.5 + 0.2 * random.normal();
    }
    if (ignored !== null && z < 4 && y < 4) label[i] = ignored;
  }
  return { step, sampleIndex, caseId: "blob", start: [0, 0, 0], image, label };
}

/** Plans that keep the voxels of {@link blobCrop} and z-score every channel. */
export function blobPlans(channels: number): Plans {
  const data = { is_seg: false, order: 3, order_z: 0, force_separate_z: null };
  const configuration: ConfigurationPlan = {
    data_identifier: "blobs",
    preprocessor_name: "DefaultPreprocessor",
    batch_size: 2,
    patch_size: [16, 16, 16],
    median_image_size_in_voxels: [20, 20, 20],
    spacing: [1, 1, 1],
    normalization_schemes: new Array(channels).fill("ZScoreNormalization"),
    use_mask_for_norm: new Array(channels).fill(false),
    resampling_fn_data: "resample_data_or_seg_to_shape",
    resampling_fn_seg: "resample_data_or_seg_to_shape",
    resampling_fn_data_kwargs: data,
    resampling_fn_seg_kwargs: { ...data, is_seg: true, order: 1 },
    resampling_fn_probabilities: "resample_data_or_seg_to_shape",
    resampling_fn_probabilities_kwargs: { ...data, order: 1 },
    architecture: {
      network_class_name: "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
      arch_kwargs: {
        n_stages: 2,
        features_per_stage: [4, 6],
        kernel_sizes: [[3, 3, 3], [3, 3, 3]],
        strides: [[1, 1, 1], [2, 2, 2]],
        n_blocks_per_stage: [1, 1],
        n_conv_per_stage_decoder: [1],
        ...LAYER_ARGUMENTS,
      },
      _kw_requires_import: [],
    },
    batch_dice: false,
  };
  return {
    dataset_name: "Dataset001_Blobs",
    plans_name: "nnUNetPlans",
    original_median_spacing_after_transp: [1, 1, 1],
    original_median_shape_after_transp: [20, 20, 20],
    image_reader_writer: "SimpleITKIO",
    transpose_forward: [0, 1, 2],
    transpose_backward: [0, 1, 2],
    configurations: { "3d_fullres": configuration },
    experiment_planner_used: "ExperimentPlanner",
    label_manager: "LabelManager",
    foreground_intensity_properties_per_channel: {},
  };
}

/** Writes volumes of blobs as a labelled data set `folder/Dataset001_Blobs`. @returns its folder */
export async function writeBlobDataset(folder: string, dataset: JsonObject, cases = 5): Promise<string> {
  const out = `${folder}/Dataset001_Blobs`;
  const channels = Object.keys(dataset.channel_names as object).length;
  await Deno.mkdir(`${out}/imagesTr`, { recursive: true });
  await Deno.mkdir(`${out}/labelsTr`, { recursive: true });
  const size: Dims3 = [20, 20, 20], affine = diagonalAffine([1, 1, 1]), voxels = 20 ** 3;
  for (let i = 0; i < cases; i++) {
    const { image, label } = blobCrop(size, channels, 500 + i, 0, labelsOf(dataset).ignore);
    for (let c = 0; c < channels; c++) {
      const channel = makeVolume(image.slice(c * voxels, (c + 1) * voxels), size, affine);
      await writeNifti(`${out}/imagesTr/blob_${i}_000${c}.nii.gz`, channel, { dtype: "float32" });
    }
    await writeNifti(`${out}/labelsTr/blob_${i}.nii.gz`, makeVolume(label, size, affine), { dtype: "uint8" });
  }
  await writeJsonAtomic(`${out}/dataset.json`, { ...dataset, numTraining: cases });
  return out;
}

/** What runs on blobs share. */
export type BlobData = Pick<FinetuneLoopRequest, "store" | "plans" | "dataset" | "cases">;

/** Writes and prepares blobs below `folder`: four cases to train on, one to validate. */
export async function prepareBlobs(folder: string, dataset: JsonObject): Promise<BlobData> {
  const plans = blobPlans(Object.keys(dataset.channel_names as object).length);
  const labelled = await readDataset(await writeBlobDataset(folder, dataset));
  const configuration = "3d_fullres";
  const { path: store } = await prepareLabelled({
    dataset: labelled,
    plans,
    configuration,
    out: `${folder}/store`,
    workers: 0,
  });
  const ids = labelled.cases.map(({ id }) => id);
  return { store, plans, dataset, cases: { train: ids.slice(1), val: ids.slice(0, 1) } };
}

/** Options of {@link runTinyFinetune}. */
export interface TinyFinetuneOptions
  extends Partial<Pick<FinetuneLoopRequest, "from" | "transferDecoder" | "resume">> {
  /** Stops when asked this many times before a step. */
  readonly stopAfter?: number;
  readonly events?: TrainEvent[];
}

/** Fine-tunes on the calling thread. */
export async function runTinyFinetune(
  data: BlobData,
  out: string,
  config: FinetuneConfig,
  options: TinyFinetuneOptions = {},
): Promise<{ readonly summary: FinetuneSummary; readonly events: readonly TrainEvent[] }> {
  const { stopAfter, events = [], from = null, transferDecoder = false, resume = false } = options;
  let asked = 0;
  const summary = await runFinetuning({
    ...data,
    config,
    out,
    ...{ from, transferDecoder, resume },
    adapter: "auto",
    emit: (event) => void events.push(event),
    stopReason: (): StopReason | null => stopAfter !== undefined && asked++ >= stopAfter ? "SIGTERM" : null,
  });
  return { summary, events };
}
