/** A fine-tuned model with weights of noise, and scans for it. */
import { writeNifti } from "../../../data/formats/nifti/write_nifti.ts";
import { writeSafetensors } from "../../../data/safetensors_file.ts";
import { type Affine, type Dims3, makeVolume } from "../../../data/volume.ts";
import type { FinetunedModel } from "../../../train/finetune/checkpoint.ts";
import { finetuneNetwork } from "../../../train/finetune/config.ts";
import { noise } from "../../support/ops.ts";
import { TINY_PATCH, tinyWeights } from "../../support/tiny_predictor.ts";
import { blobDataset, blobPlans, labelsOf, tinyFinetuneConfig } from "../finetune/tiny_finetune.ts";

const mirrored = { enabled: true, mirrorAxes: [0, 2] };

/** A model with weights of noise: RAS, transposed, anisotropic. */
export function tinyModel(seed: number, changes: Partial<FinetunedModel> = {}, outputs = 3): FinetunedModel {
  const config = tinyFinetuneConfig({
    patch: TINY_PATCH,
    augmentation: mirrored,
    network: { outputChannels: outputs },
  });
  const network = finetuneNetwork(config), plans = blobPlans(1);
  const configuration = { ...plans.configurations["3d_fullres"], spacing: [1.1, 0.9, 1] as Dims3 };
  return {
    path: `model ${seed}`,
    config,
    network,
    plans: { ...plans, transpose_forward: [1, 0, 2], transpose_backward: [1, 0, 2], orientation: "RAS" },
    configuration,
    labels: labelsOf(blobDataset),
    dataset: blobDataset,
    weights: tinyWeights(network, seed),
    ...changes,
  };
}

/** Axes of the file: x to the left, y down, z forward, with a slant. */
const AFFINE: Affine = [-0.9, 0.05, 0, 40, 0, 0.1, 1.2, -30, 0.05, -1, 0.1, 22, 0, 0, 0, 1];

/** Writes scans of noise with an empty rim. */
export async function writeScans(
  folder: string,
  shapes: readonly Dims3[],
): Promise<{ id: string; images: string[] }[]> {
  const scans: { id: string; images: string[] }[] = [];
  for (const [i, shape] of shapes.entries()) {
    const [d, h, w] = shape, values = noise(d * h * w, 90 + i);
    const rim = (v: number, size: number) => v < 2 || v >= size - 1;
    const data = values.map((value, at) =>
      rim(Math.floor(at / (h * w)), d) || rim(Math.floor(at / w) % h, h) || rim(at % w, w) ? 0 : 100 + value
    );
    const path = `${folder}/scan${i}.nii.gz`;
    await writeNifti(path, makeVolume(data, shape, AFFINE));
    scans.push({ id: `scan${i}`, images: [path] });
  }
  return scans;
}

/** Writes a model as the final checkpoint of a run folder. */
export async function writeModel(run: string, model: FinetunedModel): Promise<void> {
  const name = model.config.configuration;
  await Deno.mkdir(`${run}/checkpoints`, { recursive: true });
  await writeSafetensors(
    `${run}/checkpoints/final.safetensors`,
    new Map(
      [...model.weights].map(([key, data]) => [key, { dtype: "F32" as const, shape: [data.length], data }]),
    ),
    {
      format: "spark3d-finetuned-1",
      config: JSON.stringify(model.config),
      plans: JSON.stringify({ ...model.plans, configurations: { [name]: model.configuration } }),
      dataset: JSON.stringify(model.dataset),
    },
  );
}
