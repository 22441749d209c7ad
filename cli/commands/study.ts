import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { adapterOption } from "../adapter.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { CliError } from "../errors.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { readJson } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d study`: whole experiments. */
export function studyCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command().description("Runs a whole experiment and reports it: low-data.")
    .helpCommand(false)
    .addOption(jsonOption()) as unknown as CommandUnknownOpts;
  return command.addCommand(lowDataCommand(context));
}

/** `spark3d study low-data`: what pre-training is worth where labels are few. */
function lowDataCommand(context: CommandContext): CommandUnknownOpts {
  return new Command("low-data")
    .summary("few labelled cases: from scratch, plain and sparse masked auto-encoder")
    .description(
      "Pre-trains once, fine-tunes with few labelled cases from random weights, a plain and a sparse masked auto-encoder " +
        "under equal budgets, and evaluates on development cases. The locked test cases are opened by --final only, which " +
        "is recorded in final.json. Started again in the same folder it goes on.",
    )
    .requiredOption("--out <dir>", "folder of the study")
    .option("--config <file>", "JSON file of settings, see --print-schema (default: the small study)")
    .option("--final", "evaluate on the locked test cases")
    .option(
      "--jobs <n>",
      "networks in training at once; a software driver shares the cores among them",
      wholeNumber(1),
      1,
    )
    .option("--print-schema", "print the JSON Schema of the settings and stop")
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action(async ({ out, config, final = false, jobs, adapter, printSchema }) => {
      const { output } = context;
      const { studyConfigSchema } = await import("../study/config.ts");
      const { z } = await import("../../train/deps.ts");
      if (printSchema) return output.document(z.toJSONSchema(studyConfigSchema, { io: "input" }));
      const { openStudy, runLowDataStudy } = await import("../study/low_data.ts");
      const parsed = config === undefined ? null : studyConfigSchema.safeParse(await readJson(config));
      if (parsed?.success === false) {
        const [issue] = parsed.error.issues;
        throw new CliError(`Cannot use ${config}: ${issue.path.join(".")}: ${issue.message}`);
      }
      using signal = stopSignal((name) =>
        output.log(`${name}: saving and stopping; once more to stop at once`)
      );
      shareCores(jobs);
      const settings = await openStudy(out, parsed?.data ?? null);
      const results = await runLowDataStudy(
        { study: out, config: settings, adapter: adapter as AdapterChoice, output, signal },
        { final, jobs },
      );
      const { studyText } = await import("../study/study_text.ts");
      output.result({ out, ...results }, studyText(out, results));
    }) as unknown as CommandUnknownOpts;
}

/** Lets llvmpipe, where it is the driver, use an equal share of the cores for each of several networks. */
function shareCores(jobs: number): void {
  const name = "LP_NUM_THREADS";
  if (jobs === 1 || Deno.env.get(name) !== undefined) return;
  Deno.env.set(name, String(Math.max(1, Math.floor(navigator.hardwareConcurrency / jobs))));
}
