import { z } from "./deps.ts";
import { balanceNames, centreNames } from "../data/sampling.ts";
import { downsampling, NETWORK_PRESETS, networkPreset } from "../model/config.ts";
import { computeKeys, loopKeys } from "./run_keys.ts";
import type { Schedule } from "./schedule.ts";

/** Names of the network presets; `features` and `blocks` of a configuration override what a preset says. */
export const networkPresetNames: readonly string[] = Object.keys(NETWORK_PRESETS);

/** Names of the reconstruction losses. `-all` counts visible voxels too, `-masked` zeroes visible voxels in both images. */
export const lossNames = [
  "mse",
  "l1",
  "mse-all",
  "l1-all",
  "ssim",
  "ssim-masked",
  "ms-ssim",
  "ms-ssim-masked",
] as const;

/** How the encoder stores activations: `auto` is `blocks` for sparse encoders and `dense-masked` for the plain one. */
export const layoutNames = ["auto", "blocks", "dense-masked"] as const;

/** Names of the voxel sizes that volumes are resampled to, as in the plans of data/. */
export const spacingNames = ["onemmiso", "median", "noresample"] as const;

const share = z.number().min(0).max(1);
const hiddenShare = z.number().gt(0).lt(1);
const edge = z.int().positive().max(1024);
const channels = z.int().positive().max(4096);

const network = z.strictObject({
  kind: z.enum(["s3d", "s3d-no-token", "s3d-efficient", "mae"]).default("s3d")
    .describe("s3d: sparse encoder, mask tokens, densification; mae: dense encoder on the masked patch"),
  preset: z.enum(networkPresetNames).default("resenc-l").describe("Residual Encoder U-Net preset"),
  features: z.array(channels).min(2).max(8).optional().describe(
    "channels of each stage, from full resolution",
  ),
  blocks: z.array(z.int().positive().max(64)).min(2).max(8).optional()
    .describe("residual blocks of each encoder stage"),
  init: z.enum(["pytorch", "he"]).default("pytorch").describe("weight initialisation"),
  zeroHead: z.boolean().default(false)
    .describe("start the output layer at zero, so that the first reconstruction is the mean intensity"),
  leakyStem: z.boolean().default(false)
    .describe("show the stem the unmasked patch, as the reference does (for parity runs only)"),
});

const mask = z.strictObject({
  block: z.int().positive().max(256).default(16).describe("edge of a mask block, voxels"),
  ratio: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("fixed"), value: hiddenShare.default(0.75) }),
    z.strictObject({
      kind: z.literal("uniform"),
      low: hiddenShare.default(0.6),
      high: hiddenShare.default(0.9),
    }),
  ]).prefault({ kind: "uniform" }).describe("share of hidden blocks; uniform draws one ratio a step"),
});

const batch = z.strictObject({
  size: z.int().positive().max(4096).default(6).describe("patches of one optimizer step"),
  micro: z.int().positive().max(4096).default(1).describe(
    "patches computed at once; gradients are accumulated",
  ),
});

const weightDecay = z.number().nonnegative();
/** An optimiser and its settings. */
export const optimizerSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("sgd"),
    lr: z.number().positive().default(1e-2),
    momentum: z.number().min(0).lt(1).default(0.99),
    nesterov: z.boolean().default(true),
    weightDecay: weightDecay.default(3e-5),
  }),
  z.strictObject({
    kind: z.literal("adamw"),
    lr: z.number().positive().default(1e-3),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    eps: z.number().positive().default(1e-8),
    weightDecay: weightDecay.default(1e-2),
  }),
]);

const exponent = z.number().positive().default(0.9);
const epochIndex = z.int().nonnegative();
const schedule = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant") }),
  z.strictObject({ kind: z.literal("poly"), exponent, startEpoch: epochIndex.default(0) }),
  z.strictObject({ kind: z.literal("warmup-poly"), warmupEpochs: z.int().positive(), exponent }),
  z.strictObject({ kind: z.literal("cosine") }),
  z.strictObject({
    kind: z.literal("continued-poly"),
    warmupLr: z.number().nonnegative().default(1e-5),
    finalLr: z.number().nonnegative().default(1e-5),
    startEpoch: epochIndex.default(0),
    warmupEpochs: z.int().positive().default(50),
    exponent,
    warmupForm: z.enum(["interpolated", "additive"]).default("interpolated"),
  }),
]);

const augmentation = z.strictObject({
  rotationProbability: share.default(0.2),
  rotationDegrees: z.number().min(0).max(180).default(30).describe("largest angle about each axis"),
  scaleProbability: share.default(0.2),
  scale: z.tuple([z.number().positive(), z.number().positive()]).default([0.7, 1.4])
    .describe("range of the zoom; coordinates are multiplied by it"),
  mirror: z.boolean().default(true).describe("flip each axis with probability 0.5"),
  interpolation: z.enum(["cubic", "linear"]).default("cubic"),
});

/** Schema of a pre-training run. Every key has a default, that of the published S3D recipe. */
export const runConfigSchema = z.strictObject({
  seed: z.int().nonnegative().max(2 ** 32 - 1).default(0).describe("seed of all chance in the run"),
  network: network.prefault({}),
  patch: z.tuple([edge, edge, edge]).default([160, 160, 160]).describe("patch size [D, H, W], voxels"),
  mask: mask.prefault({}),
  batch: batch.prefault({}),
  optimizer: optimizerSchema.prefault({ kind: "sgd" }),
  clipNorm: z.number().positive().nullable().default(12).describe(
    "global gradient norm limit; null: no clipping",
  ),
  schedule: schedule.prefault({ kind: "poly" }).describe(
    "learning rate of an epoch, relative to optimizer.lr",
  ),
  epochs: z.int().positive().max(1e6).default(1000),
  stepsPerEpoch: z.int().positive().max(1e6).default(250),
  validation: z.strictObject({
    patches: z.int().positive().max(1e5).default(300).describe("fixed patches with fixed masks"),
    everyEpochs: z.int().positive().default(1),
    slices: z.int().nonnegative().max(64).default(3).describe(
      "patches of which slices are kept at every validation, for the dashboard; 0: none",
    ),
  }).prefault({}),
  loss: z.enum(lossNames).default("mse").describe("mse: mean squared error over hidden voxels"),
  augmentation: augmentation.prefault({}),
  layout: z.enum(layoutNames).default("auto").describe(
    "blocks: store and compute kept blocks only; dense-masked: whole maps times the mask, with equal results",
  ),
  ...computeKeys,
  checkpointEveryEpochs: z.int().positive().default(1),
  ...loopKeys,
  sampling: z.strictObject({
    balance: z.enum(balanceNames).default("none").describe(
      "what is drawn equally often: none: every image; modality or subject: each of those, then an image of it",
    ),
    centre: z.enum(centreNames).default("uniform").describe(
      "where training crops lie: anywhere, or centred on a voxel of the anatomy mask in volumes that have one",
    ),
  }).prefault({}),
  spacing: z.enum(spacingNames).default("onemmiso")
    .describe(
      "voxel size of the prepared volumes: 1 mm isotropic, the median of the collection, or each volume's own",
    ),
}).check(({ value, issues }) => {
  const fault = (path: PropertyKey[], message: string, input: unknown) =>
    issues.push({ code: "custom", path, message, input });
  const cube = new Set(value.patch).size === 1;
  const coarsest = coarsestStep(value.network);
  (cube ? [value.patch[0]] : value.patch).forEach((size, axis) => {
    const step = leastCommonMultiple(value.mask.block, coarsest?.[axis] ?? 1);
    if (size % step === 0) return;
    const below = Math.floor(size / step) * step;
    const why = `mask.block ${value.mask.block}` +
      (coarsest ? `, coarsest step ${coarsest[axis]} of network ${value.network.preset}` : "");
    fault(
      cube ? ["patch"] : ["patch", axis],
      `Patch edge ${size} is not a multiple of ${step} (${why}): use ${below === 0 ? "" : `${below} or `}${
        below + step
      }`,
      size,
    );
  });
  const { ratio } = value.mask;
  if (ratio.kind === "uniform" && ratio.low > ratio.high) {
    fault(
      ["mask", "ratio", "low"],
      `Lower ratio ${ratio.low} is above the upper one ${ratio.high}: swap them`,
      ratio.low,
    );
  }
  const blocks = value.patch.reduce((product, size) => product * Math.floor(size / value.mask.block), 1);
  const lowest = ratio.kind === "uniform" ? ratio.low : ratio.value;
  if (blocks > 0 && Math.floor(lowest * blocks) < 1) {
    fault(
      ["mask", "ratio"],
      `A ratio of ${lowest} hides none of the ${blocks} blocks of a patch: raise it or use smaller blocks`,
      ratio,
    );
  }
  if (value.batch.size % value.batch.micro !== 0) {
    fault(
      ["batch", "micro"],
      `Micro-batch ${value.batch.micro} does not divide batch.size ${value.batch.size}: use a divisor`,
      value.batch.micro,
    );
  }
  if (value.augmentation.scale[0] > value.augmentation.scale[1]) {
    fault(
      ["augmentation", "scale"],
      "Smallest zoom is above the largest: swap them",
      value.augmentation.scale,
    );
  }
  const { features, blocks: depths } = value.network;
  if (features !== undefined && depths !== undefined && features.length !== depths.length) {
    fault(
      ["network", "blocks"],
      `Found ${depths.length} entries for ${features.length} stages of network.features: give one for each stage`,
      depths,
    );
  }
});

/** Voxels of the patch that one voxel of the coarsest stage stands for; null when the network itself is at fault. */
function coarsestStep({ preset, features, blocks }: z.infer<typeof network>): readonly number[] | null {
  try {
    const sizes = { ...(features && { features }), ...(blocks && { blocks }) };
    return downsampling(networkPreset(preset, sizes)).at(-1)!;
  } catch {
    return null;
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a / x * b;
}

/** A complete, valid configuration of a pre-training run; `z.infer` of {@linkcode runConfigSchema}. */
export type RunConfig = z.infer<typeof runConfigSchema>;

/**
 * The learning-rate schedule of a run in the form that {@linkcode learningRate} takes: `optimizer.lr` is its initial rate.
 *
 * @example
 * ```ts
 * import { resolveRunConfig } from "./resolve_config.ts";
 * const { initialLr } = runSchedule(resolveRunConfig({ preset: "paper" })); // 0.01
 * ```
 */
export function runSchedule(config: RunConfig): Schedule {
  return { ...config.schedule, initialLr: config.optimizer.lr };
}
