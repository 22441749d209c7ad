import type { PlannedDataset } from "../../data/nnunet/mod.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { ensurePlans, plansText } from "../labelled_data.ts";
import { jsonOption, positiveNumber, wholeNumber } from "../options.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d plan-dataset`: checks a labelled data set, takes its fingerprint, plans networks and folds. */
export function planDatasetCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Checks a labelled data set in the layout of nnU-Net (dataset.json, imagesTr, labelsTr), takes its fingerprint, plans " +
        "spacing, patch, batch and network as nnU-Net does, and splits the cases into five folds. Run it again after a " +
        "change: files are read again only when they differ from those that were checked.",
    )
    .argument("<dataset>", "folder with dataset.json")
    .addOption(
      new Option("--planner <name>", "plain (nnU-Net's default), resenc-m, resenc-l or resenc-xl")
        .choices(["plain", "resenc-m", "resenc-l", "resenc-xl"] as const).default("plain" as const),
    )
    .option(
      "--gpu-memory <GB>",
      "GPU memory to plan for (default: 8 for plain and resenc-m, 24 for resenc-l, 40 for resenc-xl)",
      positiveNumber,
    )
    .option(
      "--out <folder>",
      "where plans, fingerprint and folds go (default: prepared/<name of the data set>)",
    )
    .option("--no-check", "take a stored fingerprint without asking whether files have changed since")
    .option("--workers <n>", "threads (default: one per core)", wholeNumber(0))
    .addOption(jsonOption())
    .action(async (dataset, options) => {
      const { planner, gpuMemory, out, check, workers } = options;
      const { output } = context;
      using signal = stopSignal((received) => output.log(`${received}: stopping after the cases in work`));
      const planned = await ensurePlans({
        dataset,
        planner,
        ...(gpuMemory === undefined ? {} : { gpuMemoryGb: gpuMemory }),
        ...(out === undefined ? {} : { prepared: out }),
        ...(workers === undefined ? {} : { workers }),
        check,
        signal,
        output,
      });
      output.result(plannedFacts(planned), plannedText(planned));
    }) as unknown as CommandUnknownOpts;
}

function plannedFacts({ dataset, plans, plansFile, splits, prepared, examined, warnings }: PlannedDataset) {
  const { name, cases, channelNames, labels } = dataset;
  return {
    dataset: name,
    cases: cases.length,
    channels: channelNames,
    labels,
    prepared,
    plansFile,
    plans,
    folds: splits.map(({ train, val }) => ({ train: train.length, val: val.length })),
    examined,
    warnings,
  };
}

function plannedText({ dataset, plans, plansFile, splits }: PlannedDataset): string {
  const { name, cases, channelNames, labels } = dataset;
  const classes = labels.foreground.map((one) => one.name).join(", ");
  const folds = splits.map(({ train, val }) => `${train.length} + ${val.length}`).join(", ");
  return [
    `${name}: ${cases.length} ${cases.length === 1 ? "case" : "cases"}; ${
      channelNames.join(", ")
    }; ${labels.kind} ${classes}` +
    (labels.ignore === null ? "" : `; ignore label ${labels.ignore}`),
    plansText(plans),
    ...(splits.length > 0 ? [`folds (training + validation): ${folds}`] : []),
    plansFile,
  ].join("\n");
}
