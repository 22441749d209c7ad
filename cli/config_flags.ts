import type { CommandUnknownOpts } from "./deps.ts";
import { Option } from "./deps.ts";
import { jsonFile, maskRatio, onOff, positiveNumber, threeNumbers, wholeNumber } from "./options.ts";
import type { JsonObject } from "../train/merge_config.ts";

/** A command-line option that sets one key of a configuration. */
export interface ConfigFlag {
  readonly flags: string;
  readonly description: string;
  readonly parse?: (text: string) => unknown;
  /** the key it sets */
  readonly path: readonly string[];
}

/** Flags of every kind of run. */
const shared = {
  seed: { flags: "--seed <n>", description: "seed of all chance", parse: wholeNumber(0), path: ["seed"] },
  epochs: { flags: "--epochs <n>", description: "number of epochs", parse: wholeNumber(1), path: ["epochs"] },
  steps: {
    flags: "--steps <n>",
    description: "optimizer steps of one epoch",
    parse: wholeNumber(1),
    path: ["stepsPerEpoch"],
  },
  patch: {
    flags: "--patch <n>",
    description: "patch edge, or D,H,W, voxels",
    parse: threeNumbers(wholeNumber(1)),
    path: ["patch"],
  },
  batch: {
    flags: "--batch <n>",
    description: "patches of one step",
    parse: wholeNumber(1),
    path: ["batch", "size"],
  },
  microBatch: {
    flags: "--micro-batch <n>",
    description: "patches computed at once",
    parse: wholeNumber(1),
    path: ["batch", "micro"],
  },
  lr: {
    flags: "--lr <rate>",
    description: "initial learning rate",
    parse: positiveNumber,
    path: ["optimizer", "lr"],
  },
  precision: {
    flags: "--precision <p>",
    description: "storage of activations: f32, f16 or auto",
    path: ["precision"],
  },
  memory: {
    flags: "--memory <GiB>",
    description: "GPU memory that the run may take",
    parse: positiveNumber,
    path: ["memory", "limit"],
  },
  recompute: {
    flags: "--recompute <when>",
    description: "norms again instead of kept: auto (to stay within --memory), off or all",
    path: ["memory", "recompute"],
  },
  workers: {
    flags: "--workers <n>",
    description: "threads that read patches",
    parse: wholeNumber(1),
    path: ["loader", "workers"],
  },
  tuning: {
    flags: "--tuning <file>",
    description: "tiles that spark3d tune measured on this adapter; none: without",
    parse: (text) => text === "none" ? null : jsonFile(text),
    path: ["tuning"],
  },
} as const satisfies Readonly<Record<string, ConfigFlag>>;

/** Options that set keys of a pre-training configuration. */
export const pretrainFlags: readonly ConfigFlag[] = [
  shared.seed,
  shared.epochs,
  shared.steps,
  shared.patch,
  {
    flags: "--spacing <name>",
    description: "onemmiso (1 mm isotropic), median or noresample",
    path: ["spacing"],
  },
  shared.batch,
  shared.microBatch,
  shared.lr,
  {
    flags: "--mask-block <n>",
    description: "edge of a mask block, voxels",
    parse: wholeNumber(1),
    path: ["mask", "block"],
  },
  {
    flags: "--mask-ratio <r>",
    description: "share of hidden blocks, or a range: 0.6-0.9",
    parse: maskRatio,
    path: ["mask", "ratio"],
  },
  {
    flags: "--method <kind>",
    description: "s3d, s3d-no-token, s3d-efficient or mae",
    path: ["network", "kind"],
  },
  {
    flags: "--network <preset>",
    description: "network preset, such as resenc-l",
    path: ["network", "preset"],
  },
  { flags: "--loss <name>", description: "reconstruction loss, such as mse", path: ["loss"] },
  {
    flags: "--layout <name>",
    description: "storage of the sparse encoder: blocks, dense-masked (for comparison) or auto",
    path: ["layout"],
  },
  shared.precision,
  shared.memory,
  shared.recompute,
  shared.workers,
  {
    flags: "--balance <what>",
    description: "drawn equally often: none (images), modality or subject",
    path: ["sampling", "balance"],
  },
  {
    flags: "--centre <where>",
    description: "training crops: uniform, or anatomy (on the anatomy mask)",
    path: ["sampling", "centre"],
  },
  shared.tuning,
];

/** Options that set keys of a fine-tuning configuration. */
export const finetuneFlags: readonly ConfigFlag[] = [
  shared.seed,
  {
    flags: "--schedule <name>",
    description: "default, frozen, warmup, valley or sawtooth",
    path: ["schedule", "kind"],
  },
  {
    flags: "--warmup-epochs <n>",
    description: "epochs of warm-up (a tenth of all, at most 50)",
    parse: wholeNumber(1),
    path: ["schedule", "warmupEpochs"],
  },
  {
    flags: "--decoder-epochs <n>",
    description: "epochs of the decoder alone in valley and sawtooth (a tenth of all, at most 50)",
    parse: wholeNumber(1),
    path: ["schedule", "decoderEpochs"],
  },
  shared.epochs,
  shared.steps,
  {
    flags: "--validation-steps <n>",
    description: "validation batches of one epoch",
    parse: wholeNumber(1),
    path: ["validationSteps"],
  },
  shared.patch,
  shared.batch,
  shared.microBatch,
  shared.lr,
  { flags: "--optimizer <kind>", description: "sgd or adamw", path: ["optimizer", "kind"] },
  {
    flags: "--deep-supervision <state>",
    description: "on or off: loss at every resolution of the decoder",
    parse: onOff,
    path: ["deepSupervision"],
  },
  {
    flags: "--augment <state>",
    description: "on or off: augmentation of training patches",
    parse: onOff,
    path: ["augmentation", "enabled"],
  },
  shared.precision,
  shared.memory,
  shared.recompute,
  shared.workers,
  shared.tuning,
];

/** Adds the options that override keys of a configuration, but for those that set a key in `without`. */
export function addConfigFlags(
  command: CommandUnknownOpts,
  configFlags: readonly ConfigFlag[],
  without: readonly string[] = [],
): void {
  for (const { flags, description, parse, path } of configFlags) {
    if (without.includes(path[0])) continue;
    const option = new Option(flags, description);
    command.addOption(parse === undefined ? option : option.argParser(parse));
  }
}

/** The part of a configuration that the command line sets. */
export function readConfigFlags(options: JsonObject, configFlags: readonly ConfigFlag[]): JsonObject {
  const layer: Record<string, unknown> = {};
  for (const { flags, path } of configFlags) {
    const value = options[new Option(flags).attributeName()];
    if (value === undefined) continue;
    let node = layer;
    for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as Record<string, unknown>;
    node[path.at(-1)!] = value;
  }
  return layer;
}
