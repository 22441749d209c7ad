import type { CommandUnknownOpts } from "./deps.ts";
import { Option } from "./deps.ts";
import { jsonFile, maskRatio, positiveNumber, threeNumbers, wholeNumber } from "./options.ts";
import type { RunConfig } from "../train/config.ts";
import type { JsonObject } from "../train/merge_config.ts";

/** A command-line option that sets one key of the run configuration. */
interface ConfigFlag {
  readonly flags: string;
  readonly description: string;
  readonly parse?: (text: string) => unknown;
  /** the key it sets */
  readonly path: readonly string[];
}

const configFlags: readonly ConfigFlag[] = [
  { flags: "--seed <n>", description: "seed of all chance", parse: wholeNumber(0), path: ["seed"] },
  { flags: "--epochs <n>", description: "number of epochs", parse: wholeNumber(1), path: ["epochs"] },
  {
    flags: "--steps <n>",
    description: "optimizer steps of one epoch",
    parse: wholeNumber(1),
    path: ["stepsPerEpoch"],
  },
  {
    flags: "--patch <n>",
    description: "patch edge, or D,H,W, voxels",
    parse: threeNumbers(wholeNumber(1)),
    path: ["patch"],
  },
  {
    flags: "--spacing <name>",
    description: "onemmiso (1 mm isotropic), median or noresample",
    path: ["spacing"],
  },
  {
    flags: "--batch <n>",
    description: "patches of one step",
    parse: wholeNumber(1),
    path: ["batch", "size"],
  },
  {
    flags: "--micro-batch <n>",
    description: "patches computed at once",
    parse: wholeNumber(1),
    path: ["batch", "micro"],
  },
  {
    flags: "--lr <rate>",
    description: "initial learning rate",
    parse: positiveNumber,
    path: ["optimizer", "lr"],
  },
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
  { flags: "--precision <p>", description: "storage of activations: f32, f16 or auto", path: ["precision"] },
  {
    flags: "--memory <GiB>",
    description: "GPU memory that the run may take",
    parse: positiveNumber,
    path: ["memory", "limit"],
  },
  {
    flags: "--recompute <when>",
    description: "norms again instead of kept: auto (to stay within --memory), off or all",
    path: ["memory", "recompute"],
  },
  {
    flags: "--workers <n>",
    description: "threads that read patches",
    parse: wholeNumber(1),
    path: ["loader", "workers"],
  },
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
  {
    flags: "--tuning <file>",
    description: "tiles that spark3d tune measured on this adapter; none: without",
    parse: (text) => text === "none" ? null : jsonFile(text),
    path: ["tuning"],
  },
];

/** Adds the options that override keys of the run configuration, but for those that set a key in `without`. */
export function addConfigFlags(
  command: CommandUnknownOpts,
  without: readonly (keyof RunConfig)[] = [],
): void {
  for (const { flags, description, parse, path } of configFlags) {
    if ((without as readonly string[]).includes(path[0])) continue;
    const option = new Option(flags, description);
    command.addOption(parse === undefined ? option : option.argParser(parse));
  }
}

/** The part of a run configuration that the command line sets. */
export function readConfigFlags(options: JsonObject): JsonObject {
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
