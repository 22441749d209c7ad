import type { EvaluationSummary } from "../../evaluate/types.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { classList, classTolerances, datasetClasses, toleranceList } from "../evaluated_classes.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { join, makeWritableFolder, requireFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d evaluate`: compares segmentations with reference segmentations. */
export function evaluateCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Compares label maps with reference label maps of the same names, in the geometry of the reference: Dice, IoU, volumes, " +
        "normalised surface Dice (NSD), 95th percentile of the surface distance (HD95) and average symmetric surface distance " +
        "(ASSD), for every case and class. Writes summary.json, in nnU-Net's form, and metrics.csv.",
    )
    .argument("<segmentations>", "folder of predicted label maps")
    .requiredOption("--labels <folder>", "folder of reference label maps")
    .option(
      "--dataset <file>",
      "dataset.json with labels, regions and ignore label (default: found beside the folders)",
    )
    .addOption(
      new Option("--classes <list>", "label values instead, such as 1,2,3 or liver=1,kidneys=2+3")
        .argParser(classList).conflicts("dataset"),
    )
    .option(
      "--tolerance <mm>",
      "of NSD: one, one for each class, or by name as in liver=2 (default: 1)",
      toleranceList,
    )
    .option("--no-surface", "leave out NSD, HD95 and ASSD")
    .option("--cases <ids>", "evaluate these cases only, separated by commas", (text) => text.split(","))
    .option("--allow-missing", "leave out references without a prediction")
    .option("--jobs <n>", "threads (default: as many as processors, if memory allows)", wholeNumber(1))
    .option("--out <folder>", "folder of summary.json and metrics.csv (default: the segmentations)")
    .addOption(jsonOption())
    .action(async (segmentations, options) => {
      const { labels, dataset, tolerance, surface, cases, allowMissing, jobs } = options;
      const { output } = context;
      await requireFolder("evaluate", segmentations);
      await requireFolder("evaluate against", labels);
      const { classes, ignore } = options.classes
        ? { classes: options.classes, ignore: null }
        : await datasetClasses(segmentations, labels, dataset);
      const { DEFAULT_TOLERANCE, evaluateFolder, writeMetricsCsv, writeSummary } = await import(
        "../../evaluate/mod.ts"
      );
      const tolerances = tolerance
        ? classTolerances(tolerance, classes, DEFAULT_TOLERANCE)
        : DEFAULT_TOLERANCE;
      const out = options.out ?? segmentations;
      await makeWritableFolder(out);
      using signal = stopSignal((received) => output.log(`${received}: stopping after the cases in work`));
      let bar: ReturnType<typeof output.progress> | undefined;
      const summary = await evaluateFolder({
        predictions: segmentations,
        labels,
        classes,
        ignore,
        tolerances,
        surface,
        cases,
        allowMissing,
        workers: jobs,
        onProgress: (done, total, id) => (bar ??= output.progress("evaluate", total)).update(done, id),
        signal,
      });
      const files = { summary: join(out, "summary.json"), csv: join(out, "metrics.csv") };
      await writeSummary(files.summary, summary);
      await writeMetricsCsv(files.csv, summary);
      for (const warning of summary.warnings) output.warn(warning);
      const { foreground_mean, mean, warnings } = summary;
      output.result(
        { ...files, cases: summary.metric_per_case.length, foreground_mean, mean, warnings },
        `${metricTable(summary)}\n${files.summary}`,
      );
    }) as unknown as CommandUnknownOpts;
}

const COLUMNS = ["Dice", "IoU", "NSD", "HD95", "ASSD"] as const;

/** Mean metrics of every class as lines of text. */
function metricTable({ classes, mean, foreground_mean, surface }: EvaluationSummary): string {
  const columns = surface ? COLUMNS : COLUMNS.slice(0, 2);
  const rows = [
    ["class", "cases", ...columns],
    ...classes.map(({ name, key }) => [
      name,
      `${mean[key].n_cases}`,
      ...columns.map((column) => metricText(mean[key][column])),
    ]),
    ["mean", "", ...columns.map((column) => metricText(foreground_mean[column]))],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, ...values]) =>
    [name.padEnd(width), ...values.map((value) => value.padStart(7))].join(" ")
  ).join("\n");
}

function metricText(value: number): string {
  return Number.isNaN(value) ? "-" : value.toFixed(4);
}
