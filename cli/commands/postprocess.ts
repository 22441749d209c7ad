import type { FoundPostprocessing } from "../../evaluate/mod.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, Option } from "../deps.ts";
import { UsageError } from "../errors.ts";
import { classList, datasetClasses } from "../evaluated_classes.ts";
import { jsonOption } from "../options.ts";
import { dirname, makeWritableFolder, requireFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

/** `spark3d postprocess`: keeps the largest components of segmentations, where a cross-validation has shown that it helps. */
export function postprocessCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Removes all but the largest connected component of the foreground, or of single classes. With --labels it decides on the " +
        "predictions of a cross-validation which of these steps help and writes them to --save; with --apply it applies them to " +
        "other segmentations. Reported results are usually without it.",
    )
    .argument(
      "<segmentations...>",
      "folders of label maps; several with --labels, such as the folds' validation folders",
    )
    .option("--labels <folder>", "folder of reference label maps: find steps")
    .option("--save <file>", "file for the steps that were found")
    .option("--dataset <file>", "dataset.json with the labels (default: found beside the folders)")
    .addOption(
      new Option("--classes <list>", "label values instead, such as 1,2,3 or liver=1,kidneys=2+3")
        .argParser(classList).conflicts("dataset"),
    )
    .addOption(new Option("--apply <file>", "file of steps to apply").conflicts(["labels", "save"]))
    .option("--out <folder>", "folder for the results of --apply")
    .addOption(jsonOption())
    .action(async (segmentations, options) => {
      const { output } = context;
      for (const folder of segmentations) await requireFolder("post-process", folder);
      using signal = stopSignal((received) => output.log(`${received}: stopping after this case`));
      let bar: ReturnType<typeof output.progress> | undefined;
      const onProgress = (done: number, total: number, id: string) =>
        (bar ??= output.progress("post-processing", total)).update(done, id);
      const { findPostprocessing, postprocessFolder, readPostprocessing, writePostprocessing } = await import(
        "../../evaluate/mod.ts"
      );
      const { labels, save, apply, out } = options;
      if (labels !== undefined && save !== undefined) {
        const { classes, ignore } = options.classes
          ? { classes: options.classes, ignore: null }
          : await datasetClasses(segmentations[0], labels, options.dataset);
        await makeWritableFolder(dirname(save));
        const folders = segmentations.map((predictions) => ({ predictions, labels }));
        const found = await findPostprocessing({ folders, classes, ignore, onProgress, signal });
        await writePostprocessing(save, found);
        output.result({ save, ...found }, `${triedText(found)}\n${save}`);
      } else if (apply !== undefined && out !== undefined && segmentations.length === 1) {
        const steps = await readPostprocessing(apply);
        await makeWritableFolder(out);
        const changed = await postprocessFolder({
          segmentations: segmentations[0],
          out,
          steps,
          onProgress,
          signal,
        });
        output.result({ out, steps, changed }, `${out}: ${changed.length} segmentations changed`);
      } else {
        throw new UsageError(
          "Cannot post-process: wanted --labels FOLDER --save FILE to find steps, or one folder with --apply FILE --out FOLDER",
        );
      }
    }) as unknown as CommandUnknownOpts;
}

function triedText({ tried, classes }: FoundPostprocessing): string {
  return tried.map(({ step, accepted, before, after }) => {
    const index = classes.indexOf(step.name);
    const score = (values: readonly number[]) =>
      (index < 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : values[index]).toFixed(4);
    return `${accepted ? "accepted" : "refused "} ${step.name}: Dice ${score(before)} -> ${score(after)}`;
  }).join("\n");
}
