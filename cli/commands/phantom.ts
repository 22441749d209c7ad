import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { CliError, UsageError } from "../errors.ts";
import { jsonOption, positiveNumber, threeNumbers, wholeNumber } from "../options.ts";
import { listFolder, makeWritableFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d phantom`: a cohort of procedural heads. */
export function phantomCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Writes a BIDS tree of procedural heads, images and label maps, every subject different; with --task a labelled " +
        "data set in nnU-Net's layout. The same seed gives the same files.",
    )
    .requiredOption("--out <dir>", "folder to write, new or empty")
    .option("--subjects <n>", "number of heads", wholeNumber(1), 8)
    .option("--seed <n>", "seed of all chance", wholeNumber(0), 1)
    .option(
      "--first <n>",
      "number of the first head in the sequence of the seed (with --task)",
      wholeNumber(0),
      0,
    )
    .option("--spacing <mm>", "voxel size, one value or z,y,x (default: drawn)", threeNumbers(positiveNumber))
    .option("--lesions", "add lesions to some subjects (without --task)")
    .addOption(
      new Option("--task <name>", "segmentation task of a labelled data set").choices([
        "structures",
        "lesions",
      ]),
    )
    .addOption(jsonOption())
    .action(async ({ out, subjects, seed, first, spacing, lesions = false, task }) => {
      if (task !== undefined && lesions) {
        throw new UsageError(
          "--lesions belongs to a BIDS tree: with --task the task says whether there are lesions",
        );
      }
      if (task === undefined && first > 0) throw new UsageError("--first needs --task");
      const found = await listFolder(out);
      if (found.length > 0) {
        throw new CliError(
          `Cannot write a cohort to ${out}: it holds ${found.length} files, expected none: name a new folder`,
        );
      }
      await makeWritableFolder(out);
      using signal = stopSignal((received) => context.output.log(`${received}: stopping after this head`));
      const { writePhantomCohort, writePhantomDataset } = await import("../../data/phantom/mod.ts");
      const bar = context.output.progress("phantom", subjects);
      const onProgress = (done: number, file: string) => bar.update(done, file);
      const shared = { out, subjects, seed, spacing, onProgress, signal };
      if (task === undefined) await writePhantomCohort({ ...shared, lesions });
      else {await writePhantomDataset({
          ...shared,
          task: task as "structures" | "lesions",
          firstSubject: first,
        });}
      context.output.result(
        { out, subjects, seed, ...(task === undefined ? { lesions } : { task, first }) },
        `${subjects} heads in ${out}`,
      );
    }) as unknown as CommandUnknownOpts;
}
