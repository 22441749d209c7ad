import type { z } from "./deps.ts";
import type { runConfigSchema } from "./config.ts";

/** A configuration as a file or a preset gives it: what is left out takes the published recipe's value. */
export type RunConfigInput = z.input<typeof runConfigSchema>;

const demo = {
  network: { preset: "demo", zeroHead: true },
  patch: [48, 48, 48],
  mask: { block: 8, ratio: { kind: "uniform", low: 0.6, high: 0.9 } },
  batch: { size: 1 },
  optimizer: { kind: "adamw", lr: 1e-2, beta1: 0.9, beta2: 0.95, weightDecay: 1e-2 },
  schedule: { kind: "warmup-poly", warmupEpochs: 2 },
  epochs: 40,
  stepsPerEpoch: 10,
  validation: { patches: 12, everyEpochs: 10 },
  checkpointEveryEpochs: 5,
  metricsEvery: 5,
  loader: { workers: 1, prefetch: 4 },
} as const satisfies RunConfigInput;

/**
 * Whole runs by name.
 * - `demo`: learns something visible in minutes on two CPU cores with a software driver. It departs from the published recipe
 *   where that does not pay in so few steps: blocks of 8, AdamW with a short warm-up, 4 to 32 features, an output
 *   layer that starts at zero.
 * - `slow-demo`: the same, four times as long.
 * - `paper`: S3D as published: ResEnc-L, 160^3 patches, batch 6, 1000 epochs of 250 steps, ratio U(0.6, 0.9).
 * - `large`: the scaled-up run of the reference code: batch 48, 4000 epochs, learning rate 3e-2.
 *
 * Source: Wald et al., "Revisiting MAE pre-training for 3D medical image segmentation" (arXiv:2410.23132); `large`:
 * `BigVariableSparkMAETrainer` of nnssl.
 */
export const runPresets = {
  "demo": demo,
  "slow-demo": { ...demo, epochs: 160, validation: { ...demo.validation, everyEpochs: 20 } },
  "paper": {},
  "large": {
    batch: { size: 48 },
    optimizer: { kind: "sgd", lr: 3e-2 },
    epochs: 4000,
  },
} as const satisfies Readonly<Record<string, RunConfigInput>>;
