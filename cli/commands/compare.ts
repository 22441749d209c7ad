import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { basename, dirname, join, makeWritableFolder, resolve } from "../paths.ts";

/** One evaluation of one method. */
interface MethodSummary {
  readonly method: string;
  readonly path: string;
}

/** `spark3d compare`: methods beside each other, from their evaluations. */
export function compareCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Compares methods by the summary.json files of spark3d evaluate: mean scores with bootstrap intervals, paired differences to a " +
        "baseline with tests, rank distributions, box plots. Writes report.html, which needs no other file, the figures as SVG and the " +
        "numbers as report.json. The evaluations of a method on several data sets are given in the same order for every method.",
    )
    .argument("<method=summary...>", "summary.json, or its folder, such as s3d=runs/s3d/test", evaluations)
    .requiredOption("--out <folder>", "folder of the report")
    .option("--datasets <names>", "names of the data sets, separated by commas", (text) => text.split(","))
    .option("--baseline <method>", "method that the others are compared with")
    .addOption(
      new Option("--metric <name>", "what is compared").choices(["Dice", "IoU", "NSD"] as const).default(
        "Dice" as const,
      ),
    )
    .option("--title <text>", "title of the report", "Comparison of methods")
    .option("--resamples <n>", "bootstrap resamples", wholeNumber(1), 1000)
    .option("--seed <n>", "seed of the bootstrap", wholeNumber(0), 0)
    .addOption(jsonOption())
    .action(async (given, options) => {
      const { out, baseline, metric, title, resamples, seed } = options;
      const methods = [...new Set(given.map(({ method }) => method))];
      const paths = methods.map((method) =>
        given.filter((one) => one.method === method).map(({ path }) => path)
      );
      const names = datasetNames(methods, paths, options.datasets);
      if (baseline !== undefined && !methods.includes(baseline)) {
        throw new UsageError(
          `Cannot compare with ${baseline}: found no such method, wanted one of ${methods.join(", ")}`,
        );
      }
      const { readSummary, summaryScores, writeMethodReport } = await import("../../evaluate/mod.ts");
      const summaries = await Promise.all(
        paths.map((list) => Promise.all(list.map((path) => readSummary(path)))),
      );
      const datasets = names.map((name, i) =>
        summaryScores(name, methods, summaries.map((list) => list[i]), metric)
      );
      await makeWritableFolder(out);
      const report = await writeMethodReport(out, {
        title,
        methods,
        datasets,
        baseline,
        metric,
        resamples,
        seed,
      });
      const { overall, stability, comparisons } = report.numbers;
      const lines = methods.map((method, i) =>
        `${method}: ${metric} ${overall[i].mean.toFixed(4)} (${overall[i].low.toFixed(4)} to ${
          overall[i].high.toFixed(4)
        }), mean rank ${Number(stability.meanRanks[i].toFixed(2))}`
      );
      context.output.result(
        {
          page: report.page,
          figures: report.figures,
          methods,
          overall,
          meanRanks: stability.meanRanks,
          comparisons,
        },
        [...lines, report.page].join("\n"),
      );
    }) as unknown as CommandUnknownOpts;
}

/** Parser that collects `method=path`. */
function evaluations(text: string, before: MethodSummary[] = []): MethodSummary[] {
  const [, method, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (method === undefined) {
    throw new InvalidArgumentError("Expected METHOD=SUMMARY, such as s3d=runs/s3d/summary.json.");
  }
  return [...before, { method, path: path.endsWith(".json") ? path : join(path, "summary.json") }];
}

/** Names of the data sets: as given, the folder of the first evaluation when there is one, or numbers. */
function datasetNames(
  methods: readonly string[],
  paths: readonly (readonly string[])[],
  given: readonly string[] | undefined,
): readonly string[] {
  const count = paths[0].length;
  const odd = paths.findIndex((list) => list.length !== count);
  if (odd >= 0) {
    throw new UsageError(
      `Cannot compare ${methods[0]} and ${methods[odd]}: found ${count} and ${
        paths[odd].length
      } evaluations, wanted one of each ` +
        "data set for every method, in the same order",
    );
  }
  if (given !== undefined && given.length !== count) {
    throw new UsageError(`Cannot name ${count} data sets: found ${given.length} names in --datasets`);
  }
  if (methods.length < 2) {
    throw new UsageError(`Cannot compare ${methods.join(", ")}: wanted at least two methods`);
  }
  return given ??
    paths[0].map((path, i) => count === 1 ? basename(dirname(resolve(path))) : `data set ${i + 1}`);
}
