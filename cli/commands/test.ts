import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { jsonOption } from "../options.ts";
import { runModule } from "../subprocess.ts";

/** `spark3d test`: every check of this checkout, in a process of its own. */
export function testCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Runs format, lint and type checks, the tests, the doc examples and the comparison with recorded values, and " +
        'prints the line coverage of each folder. The last line is "N passed, N failed".',
    )
    .option("--slow", "also run the long checks (installs what they need with apt-get when run as root)")
    .option("--filter <text>", "run only the tests whose name contains this, and no other check")
    .option("--no-coverage", "do not measure line coverage (numerical tests then run about ten times faster)")
    .option("--fail-fast", "stop after the first stage that fails")
    .addOption(jsonOption())
    .action(async (options) => {
      const args: string[] = [];
      if (options.slow) args.push("--slow");
      if (options.filter !== undefined) args.push(`--filter=${options.filter}`);
      if (!options.coverage) args.push("--no-coverage");
      if (options.failFast) args.push("--fail-fast");
      if (options.json) args.push("--json");
      context.exitCode = (await runModule("tests/run.ts", args)).code;
    }) as unknown as CommandUnknownOpts;
}
