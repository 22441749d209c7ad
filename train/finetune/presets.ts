import type { FinetuneConfigInput } from "./config.ts";

/**
 * What a run starts from: weights of a checkpoint; random weights in the network and plan of a checkpoint; random weights in
 * the data set's own plan.
 */
export type FinetuneStart = "pretrained" | "fixed-scratch" | "scratch";

/**
 * What the published protocol sets for each start.
 *
 * Source: nnU-Net's `PretrainedTrainer`, the same without weights, and `nnUNetTrainer`.
 */
export const finetuneRecipes = {
  "pretrained": { optimizer: { kind: "sgd", lr: 1e-3 }, schedule: { kind: "warmup" } },
  "fixed-scratch": { optimizer: { kind: "sgd", lr: 1e-2 }, schedule: { kind: "warmup" } },
  "scratch": { optimizer: { kind: "sgd", lr: 1e-2 }, schedule: { kind: "default" }, deepSupervision: true },
} as const satisfies Readonly<Record<FinetuneStart, FinetuneConfigInput>>;

/**
 * Whole fine-tuning runs by name.
 * - `default`: 1000 epochs of 250 steps, as published.
 * - `short`: 150 epochs, the published short setting; warm-up and decoder phases take 15.
 * - `demo`: minutes on two CPU cores with a software driver. It departs from the published protocol where that does not pay
 *   in so few steps: AdamW, neither mirroring nor deep supervision and, where no checkpoint decides
 *   them, 4 to 32 features and patches of 48^3.
 */
export const finetunePresets = {
  "default": {},
  "short": { epochs: 150 },
  "demo": {
    network: {
      encoder: "residual",
      features: [4, 8, 16, 32],
      kernels: [[3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
      strides: [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
      blocks: [1, 1, 1, 1],
      decoderConvs: [1, 1, 1],
    },
    patch: [48, 48, 48],
    batch: { size: 2 },
    optimizer: { kind: "adamw", lr: 1e-2, beta2: 0.95, weightDecay: 1e-2 },
    epochs: 20,
    stepsPerEpoch: 50,
    validationSteps: 5,
    deepSupervision: false,
    augmentation: { mirrorAxes: [] },
    metricsEvery: 5,
    checkpointEveryEpochs: 5,
    loader: { workers: 1, prefetch: 4 },
  },
} as const;
