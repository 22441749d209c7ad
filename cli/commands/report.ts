import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { makeWritableFolder, requireFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d report`: describes a prepared store. */
export function reportCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Describes a store for a paper or a data sheet: volumes by centre, scanner, field strength and modality, sex and age of " +
        "the subjects, spacings and sizes, what was rejected and why, middle slices. Writes one HTML file that needs " +
        "nothing else, and every figure as SVG. Shows no ids and no paths unless asked to; ages above 89 are one group.",
    )
    .argument("<store>", "store that spark3d prepare wrote")
    .option("--out <folder>", "folder to write (default: report in the store)")
    .option("--sheet <n>", "most volumes whose middle slices are shown", wholeNumber(0), 24)
    .option("--seed <n>", "seed of the choice of those volumes", wholeNumber(0), 0)
    .addOption(
      new Option(
        "--centre <field>",
        "what a centre is (default: the institution where most volumes name one)",
      )
        .choices(["institution", "dataset"] as const),
    )
    .option("--with-ids", "show ids and paths of images")
    .addOption(jsonOption())
    .action(async (store, { out, sheet, seed, centre, withIds }) => {
      const { output } = context;
      const { counted, writeReport } = await import("../../data/report/mod.ts");
      using signal = stopSignal((received) => output.log(`${received}: stopping`));
      await requireFolder("report on", store);
      if (out !== undefined) await makeWritableFolder(out);
      const bar = output.progress("slices", sheet);
      const report = await writeReport({
        store,
        out,
        sheet,
        seed,
        centre,
        withIds,
        signal,
        onProgress: (done, total) => bar.update(done, undefined, total),
      });
      bar.end();
      for (const warning of report.warnings) output.warn(warning);
      const { page, figures, numbers, warnings } = report;
      const { volumes, subjects, centres, rejected } = numbers.totals;
      const facts = [
        counted(volumes, "volume"),
        counted(subjects, "subject"),
        counted(centres, "centre"),
        `${counted(rejected, "image")} rejected`,
      ];
      output.result({ store, page, figures, ...numbers, warnings }, `${page}: ${facts.join(", ")}`);
    }) as unknown as CommandUnknownOpts;
}
