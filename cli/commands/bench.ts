import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { jsonOption } from "../options.ts";
import { runModule } from "../subprocess.ts";

/** `spark3d bench`: the benchmarks of this checkout, in a process of its own. */
export function benchCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description("Times every operation, or a whole training step, and prints a table and JSON lines.")
    .argument("[options...]", "passed to bench/run.ts; --help there lists them")
    .addOption(jsonOption())
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args, options) => {
      context.exitCode = await runModule("bench/run.ts", [...args, ...(options.json ? ["--json"] : [])]);
    }) as unknown as CommandUnknownOpts;
}
