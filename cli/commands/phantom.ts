import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts } from "../deps.ts";
import { CliError } from "../errors.ts";
import { jsonOption, wholeNumber } from "../options.ts";
import { listFolder, makeWritableFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d phantom`: a cohort of procedural heads. */
export function phantomCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Writes a BIDS tree of procedural heads, images and label maps, every subject different. The same seed gives " +
        "the same files.",
    )
    .requiredOption("--out <dir>", "folder to write, new or empty")
    .option("--subjects <n>", "number of heads", wholeNumber(1), 8)
    .option("--seed <n>", "seed of all chance", wholeNumber(0), 1)
    .option("--lesions", "add lesions to some subjects")
    .addOption(jsonOption())
    .action(async ({ out, subjects, seed, lesions = false }) => {
      const found = await listFolder(out);
      if (found.length > 0) {
        throw new CliError(
          `Cannot write a cohort to ${out}: it holds ${found.length} files, expected none: name a new folder`,
        );
      }
      await makeWritableFolder(out);
      using signal = stopSignal((received) => context.output.log(`${received}: stopping after this head`));
      const { writePhantomCohort } = await import("../../data/phantom/mod.ts");
      const bar = context.output.progress("phantom", subjects);
      await writePhantomCohort({
        out,
        subjects,
        seed,
        lesions,
        onProgress: (done, file) => bar.update(done, file),
        signal,
      });
      context.output.result({ out, subjects, seed, lesions }, `${subjects} heads in ${out}`);
    }) as unknown as CommandUnknownOpts;
}
