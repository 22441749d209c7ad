import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import { adapterOption } from "../adapter.ts";
import { addConfigFlags, pretrainFlags, readConfigFlags } from "../config_flags.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { jsonOption } from "../options.ts";
import { planConfig, presetOption } from "../plan_config.ts";
import type { JsonObject } from "../../train/merge_config.ts";

/** `spark3d plan`: what a run would need on this adapter, without allocating any of it. */
export function planCommand(context: CommandContext): CommandUnknownOpts {
  const command = new Command()
    .description(
      "Prints the memory and dispatch plan of a run on this adapter without allocating anything. When it does not fit, " +
        "names what is too large and the largest patch and micro-batch that fit; exit code 1.",
    )
    .addOption(presetOption())
    .option(
      "--config <file>",
      "JSON file of settings; options on the command line win",
    ) as unknown as CommandUnknownOpts;
  addConfigFlags(command, pretrainFlags);
  return command
    .addOption(adapterOption())
    .addOption(new Option("--verbose", "also list what is alive when memory peaks"))
    .addOption(jsonOption())
    .action(async (...args) => {
      const options = args[0] as {
        preset?: string;
        config?: string;
        verbose?: boolean;
        adapter: AdapterChoice;
      };
      const config = await planConfig(
        options,
        readConfigFlags(options as unknown as JsonObject, pretrainFlags),
      );
      const { describePlan, peakText } = await import("../../train/plan_report.ts");
      const description = await describePlan({ config, adapter: options.adapter });
      const { text, ...facts } = description;
      if (!description.fits) context.exitCode = 1;
      const report = options.verbose ? `${text}\n\n${peakText(description)}` : text;
      context.output.result({ ...facts, ok: description.fits }, report);
    });
}
