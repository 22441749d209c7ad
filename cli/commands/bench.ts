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
      const others = args.filter((argument) => argument !== "--json"); // unknown options before it make it an argument
      if (!options.json && others.length === args.length) {
        context.exitCode = (await runModule("bench/run.ts", args)).code;
        return;
      }
      const { code, stdout } = await runModule("bench/run.ts", [...others, "--json"], { capture: true });
      const results = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) =>
        JSON.parse(line)
      );
      context.exitCode = code;
      context.output.document({ ok: code === 0, results });
    }) as unknown as CommandUnknownOpts;
}
