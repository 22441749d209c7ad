/** Augmentation of fine-tuning: every transform of one channel of a 160^3 patch, all of them drawn. */
import { getPatchSize } from "../data/sampler.ts";
import { finishPatch } from "../kernels/ops/augment/finish_patch.ts";
import { sampleLabels, samplePatch } from "../kernels/ops/augment/sample_patch.ts";
import { brightnessContrast } from "../kernels/ops/intensity/brightness_contrast.ts";
import { gammaCorrection } from "../kernels/ops/intensity/gamma_correction.ts";
import { gaussianBlur } from "../kernels/ops/intensity/gaussian_blur.ts";
import { gaussianNoise } from "../kernels/ops/intensity/gaussian_noise.ts";
import { lowResolution } from "../kernels/ops/intensity/low_resolution.ts";
import type { Dims3 } from "../kernels/spec.ts";
import { finetuneAugmentationSchema } from "../train/finetune/augmentation_config.ts";
import { sampleFinetuneAugmentation } from "../train/finetune/sample_augmentation.ts";
import type { BenchCase, CaseFamily, CaseInput } from "./case.ts";
import { PATCH } from "./conv_cases.ts";

const always = { probability: 1 };
const everything = finetuneAugmentationSchema.parse({
  rotation: always,
  scaling: always,
  noise: always,
  blur: { ...always, channelProbability: 1 },
  brightness: always,
  contrast: always,
  lowResolution: { ...always, channelProbability: 1 },
  gammaInverted: always,
  gamma: always,
  mirrorProbability: 1,
});

function parametersOf(patch: Dims3): CaseInput {
  const data = sampleFinetuneAugmentation({
    seed: 1,
    step: 0,
    sample: 0,
    channels: 1,
    patch,
    config: everything,
  });
  return { shape: [1, data.length], data };
}

const volumeOf = (size: Dims3, contents?: "labels"): CaseInput => ({
  shape: [1, 1, ...size],
  contents,
  gradient: false,
});

type Made = Pick<BenchCase, "op" | "attrs" | "inputs">;

/** A family of one operation, at a small size and at that of a whole patch. */
function family(name: string, make: (patch: Dims3) => Made): CaseFamily {
  const at = (patch: Dims3): BenchCase => ({ ...make(patch), shape: `1x1x${patch.join("x")}` });
  return {
    name,
    small: [at([8, 6, 9])],
    cases: [at([PATCH / 2, PATCH / 2, PATCH / 2]), at([PATCH, PATCH, PATCH])],
  };
}

/** Families of the transforms, in their order. */
export const augmentFamilies: readonly CaseFamily[] = [
  family("samplePatch", (size) => ({
    op: samplePatch,
    attrs: { size },
    inputs: [volumeOf(getPatchSize(size)), parametersOf(size)],
  })),
  family("sampleLabels", (size) => ({
    op: sampleLabels,
    attrs: { size },
    inputs: [volumeOf(getPatchSize(size), "labels"), parametersOf(size)],
  })),
  ...[gaussianNoise, gaussianBlur, brightnessContrast, lowResolution].map((op) =>
    family(op.name, (size) => ({ op, attrs: {}, inputs: [volumeOf(size), parametersOf(size)] }))
  ),
  ...[true, false].map((inverted) =>
    family(`gammaCorrection${inverted ? " inverted" : ""}`, (size) => ({
      op: gammaCorrection,
      attrs: { inverted },
      inputs: [volumeOf(size), parametersOf(size)],
    }))
  ),
  family("finishPatch", (size) => ({
    op: finishPatch,
    attrs: { maskImage: [true] },
    inputs: [volumeOf(size), volumeOf(size, "labels"), parametersOf(size)],
  })),
];
