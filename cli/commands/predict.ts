import type { PredictionProgress, PredictionSummary, Segmentation } from "../../train/predict/types.ts";
import { adapterOption } from "../adapter.ts";
import type { CommandContext } from "../context.ts";
import { Command, type CommandUnknownOpts, InvalidArgumentError, Option } from "../deps.ts";
import { foldList, readModels } from "../find_models.ts";
import { findScans } from "../find_scans.ts";
import { jsonOption, positiveNumber, wholeNumber } from "../options.ts";
import type { Output } from "../output.ts";
import { makeWritableFolder } from "../paths.ts";
import { stopSignal } from "../stop_signal.ts";

const GIB = 2 ** 30;

/** `spark3d predict`: segments scans with fine-tuned networks. */
export function predictCommand(context: CommandContext): CommandUnknownOpts {
  return new Command()
    .description(
      "Segments scans with a fine-tuned network, or with the mean of several folds: a window slides over each scan, mirrored " +
        "as in training, and labels are written as CASE.nii.gz with the geometry of the scan. Memory does not grow with the " +
        "length of a scan, and results do not depend on --jobs or --gpu-memory.",
    )
    .argument("<scans>", "folder of CASE_0000.nii.gz files, of plain files for one channel, or one file")
    .addOption(
      new Option("--model <run>", "run folder, folder of fold_0, fold_1, ..., or checkpoint; again for more")
        .argParser((run: string, before: readonly string[] = []) => [...before, run]).makeOptionMandatory(),
    )
    .option("--fold <folds>", "which folds, such as 0 or 0,1,2 (default: every fold there is)", foldList)
    .addOption(
      new Option("--checkpoint <kind>", "which checkpoint of a run (default: final, else best, else latest)")
        .choices(["final", "best", "latest"] as const),
    )
    .requiredOption("--out <folder>", "folder of the segmentations")
    .option("--no-mirror", "do not average over mirrored windows: up to eight times as fast")
    .option("--step <share>", "distance of windows as a share of the patch (default: 0.5)", share)
    .option("--postprocessing <file>", "steps that were found on a cross-validation")
    .option("--save-probabilities", "also write CASE.safetensors with the probability of every class")
    .option("--jobs <n>", "scans that are read, computed or written at once (default: 3)", wholeNumber(1))
    .option("--memory <gib>", "main memory of the scans in work (default: 6)", positiveNumber)
    .option("--gpu-memory <gib>", "memory of the GPU (default: 4)", positiveNumber)
    .addOption(
      new Option("--precision <name>", "storage of activations: f32, f16, or auto (f16 on GPUs that have it)")
        .choices(["f32", "f16", "auto"] as const),
    )
    .addOption(adapterOption())
    .addOption(jsonOption())
    .action(async (scans, options) => {
      const { output } = context;
      const models = await readModels(options.model, options.fold, options.checkpoint);
      const { channelNamesIn } = await import("../../data/nnunet/description.ts");
      const cases = await findScans(scans, Object.values(channelNamesIn(models[0].dataset)));
      await makeWritableFolder(options.out);
      const postprocess = options.postprocessing && await postprocessing(options.postprocessing);
      const { predictCases } = await import("../../train/predict/predict_cases.ts");
      using signal = stopSignal((received) => output.log(`${received}: stopping`));
      const summary = await predictCases({
        models,
        cases,
        out: options.out,
        adapter: options.adapter,
        mirror: options.mirror,
        step: options.step,
        jobs: options.jobs,
        precision: options.precision,
        saveProbabilities: options.saveProbabilities,
        memoryBytes: options.memory && options.memory * GIB,
        gpuMemoryBytes: options.gpuMemory && options.gpuMemory * GIB,
        ...(postprocess ? { postprocess } : {}),
        signal,
        onProgress: showPrediction(output, cases.length),
      });
      const ok = summary.failed.length === 0;
      if (!ok) context.exitCode = 1;
      output.result({ ok, ...summary }, summaryText(summary));
    }) as unknown as CommandUnknownOpts;
}

/** Parser of a share above 0, at most 1. */
function share(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("Expected a number above 0, at most 1.");
  return value;
}

/** Steps of a file as what `predictCases` does with every segmentation. */
async function postprocessing(path: string) {
  const { applySteps, readPostprocessing } = await import("../../evaluate/mod.ts");
  const steps = await readPostprocessing(path);
  return ({ labels, shape }: Segmentation) => {
    const kept = applySteps({ data: labels, shape }, steps);
    if (kept !== labels) labels.set(kept);
  };
}

/** A bar over all scans: whole ones, and the windows of the one in work. */
function showPrediction(output: Output, cases: number): (progress: PredictionProgress) => void {
  const bar = output.progress("predict", cases);
  return ({ kind, id, finished, done, total, message }) => {
    if (kind === "failed") output.warn(`${id}: ${message}`);
    const inWork = kind === "window" && finished < cases ? done! / total! : 0;
    bar.update(finished, inWork > 0 ? `${id} ${Math.floor(100 * inWork)} %` : id);
  };
}

function summaryText({ out, cases, failed }: PredictionSummary): string {
  const seconds = cases.map((one) => `${one.id}: ${one.windows} windows, ${one.seconds.toFixed(1)} s`);
  const lost = failed.map(({ id, message }) => `${id} failed: ${message}`);
  return [...seconds, ...lost, `${cases.length} segmentations in ${out}`].join("\n");
}
