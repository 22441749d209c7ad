import { spacingNames } from "../../train/config.ts";
import type { Filters } from "../../data/filters/mod.ts";
import type { Part } from "../../data/prepare/mod.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { jsonOption, positiveNumber, wholeNumber } from "../options.ts";
import { makeWritableFolder } from "../paths.ts";
import { prepareData, preparedFacts, preparedText } from "../prepare_data.ts";
import { stopSignal } from "../stop_signal.ts";
import { mergeCommand } from "./prepare_merge.ts";
import { verifyCommand } from "./prepare_verify.ts";

/** `spark3d prepare`: reads volumes and writes the store that training reads. */
export function prepareCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command()
    .description(
      "Reads every volume of a BIDS or plain folder, checks, filters, crops, normalises and resamples it, and writes a " +
        "Zarr v3 store. report.jsonl says what became of every file. Run it again to go on after an interruption.",
    )
    .argument("<source>", "folder of volumes, a CSV list, or a pretrain_data.json")
    .option("--out <store>", "store to write, or to go on with (required)")
    .addOption(
      new Option(
        "--spacing <name>",
        "voxel size: onemmiso (1 mm isotropic), median of the collection, noresample",
      )
        .choices(spacingNames).default("onemmiso" as const),
    )
    .addOption(
      new Option("--dtype <type>", "element type of the store").choices(["float16", "float32"] as const)
        .default("float16" as const),
    )
    .addOption(
      new Option("--compression <name>", "none (read fastest) or zstd (a fraction of the disk)")
        .choices(["none", "zstd"] as const).default("none" as const),
    )
    .option("--filters <name>", "which images to keep: lenient, strict, or a JSON file")
    .option("--modality <list>", "keep these modalities only, such as T1w,T2w,FLAIR")
    .option("--drop-duplicates", "leave out files whose bytes are those of an earlier file")
    .addOption(
      new Option("--4d <how>", "files of several volumes: refuse, first volume, or split into images")
        .choices(["refuse", "first", "split"] as const),
    )
    .option("--name <name>", "name of the collection (default: the folder's)")
    .option("--seed <n>", "seed of the split into training and validation subjects", wholeNumber(0), 12345)
    .option("--workers <n>", "threads (default: one per core)", wholeNumber(0))
    .option(
      "--memory <GiB>",
      "memory that images in work may take (default: 3/4 of the machine's)",
      positiveNumber,
    )
    .addOption(
      new Option("--resample <where>", "auto (the GPU when there is one), gpu or cpu")
        .choices(["auto", "gpu", "cpu"] as const).default("auto" as const),
    )
    .option("--part <i/n>", "prepare part i of n, i from 0; then: spark3d prepare merge STORE")
    .addOption(jsonOption())
    .action(async (source, options) => {
      const { out, spacing, dtype, compression, name, seed, workers, memory } = options;
      if (out === undefined) throw new UsageError("Required option '--out <store>' not specified");
      const { output } = context;
      const part = await readPart(options.part);
      const filters = await readFilters(options);
      const { resampleWorker } = await import("../resample_choice.ts");
      using signal = stopSignal((received) => output.log(`${received}: stopping after the volumes in work`));
      await makeWritableFolder(out);
      const workerUrl = await resampleWorker(options.resample, output);
      const prepared = await prepareData({
        source,
        out,
        configuration: spacing,
        dtype,
        compression,
        name,
        filters,
        splitSeed: seed,
        workers,
        memoryBytes: memory === undefined ? undefined : memory * 2 ** 30,
        part,
        workerUrl,
        signal,
      }, output);
      const facts = preparedFacts(prepared);
      if (!part) return output.result(facts, preparedText(facts));
      const { volumes, rejected } = facts;
      output.result(
        { ...facts, part },
        `part ${part.index}/${part.count}: ${volumes} volumes in ${out} (${rejected.length} left out); ` +
          `when all parts are done: spark3d prepare merge ${out}`,
      );
    });
  const whole = command as unknown as CommandUnknownOpts;
  for (const subcommand of [mergeCommand(context), verifyCommand(context)]) {
    whole.addCommand(subcommand);
  }
  return whole;
}

interface FilterOptions {
  readonly filters?: string;
  readonly modality?: string;
  readonly dropDuplicates?: true;
  readonly "4d"?: "refuse" | "first" | "split";
}

/** The filters of a preset or file, changed by single options. */
async function readFilters(options: FilterOptions): Promise<Filters> {
  const { loadFilters } = await import("../../data/filters/mod.ts");
  const { filters, modality, dropDuplicates } = options;
  const modalities = modality?.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (modalities?.length === 0) throw new UsageError("--modality names none: give a list such as T1w,T2w");
  return {
    ...(filters === undefined ? {} : await loadFilters(filters)),
    ...(modalities ? { modalities } : {}),
    ...(dropDuplicates ? { dropDuplicates } : {}),
    ...(options["4d"] ? { fourD: options["4d"] } : {}),
  };
}

async function readPart(text: string | undefined): Promise<Part | undefined> {
  if (text === undefined) return undefined;
  const { parsePart } = await import("../../data/prepare/part.ts");
  try {
    return parsePart(text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
