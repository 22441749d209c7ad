/** Fine-tuning runs that take a second or two: a two-stage network, 16^3 patches, blobs to find. */
import type { LoadedCrop } from "../../../data/labelled/loader.ts";
import { type LabelSet, parseLabels } from "../../../data/nnunet/labels.ts";
import { hashRandom } from "../../../data/random.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { type FinetuneConfig, finetuneConfigSchema } from "../../../train/finetune/config.ts";
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
