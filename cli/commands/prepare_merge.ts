import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { jsonOption } from "../options.ts";
import { preparedFacts, preparedText } from "../prepare_data.ts";

/** `spark3d prepare merge`: joins the parts that `prepare --part` made. */
export function mergeCommand(context: CommandContext): CommandUnknownOpts {
  return new Command("merge")
    .description(
      "Joins the parts of a store that were prepared with --part i/n: checks that all are there and were made with the " +
        "same settings, and writes the same files as a run in one piece.",
    )
    .summary("join the parts made with --part i/n")
    .argument("<store>", "store of the parts")
    .addOption(jsonOption())
    .action(async (store) => {
      const { mergeParts } = await import("../../data/prepare/mod.ts");
      const prepared = await mergeParts(store);
      for (const warning of prepared.warnings) context.output.warn(warning);
      const facts = preparedFacts(prepared);
      context.output.result(facts, preparedText(facts));
    }) as unknown as CommandUnknownOpts;
}
