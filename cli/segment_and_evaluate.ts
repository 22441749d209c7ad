import type { LabelledDataset } from "../data/nnunet/dataset.ts";
import type { EvaluationSummary } from "../evaluate/mod.ts";
import type { AdapterChoice } from "../kernels/runtime/provider.ts";
import { CliError } from "./errors.ts";
import type { Output } from "./output.ts";
import { dirname, join } from "./paths.ts";

/** What {@linkcode segmentAndEvaluate} takes. */
export interface SegmentAndEvaluateOptions {
  /** Run folder of fine-tuning, or a checkpoint in it. */
  readonly run: string;
  readonly dataset: LabelledDataset;
  /** Ids of the labelled cases to segment. */
  readonly cases: readonly string[];
  /** Folder of the segmentations; gets `summary.json` of the evaluation. */
  readonly out: string;
  readonly adapter: AdapterChoice;
  /** Average over mirrored windows; true when left out. */
  readonly mirror?: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/**
 * Segments whole labelled cases with a fine-tuned network and evaluates them.
 *
 * @throws {CliError} when a case could not be segmented
 * @throws the signal's reason
 */
export async function segmentAndEvaluate(options: SegmentAndEvaluateOptions): Promise<EvaluationSummary> {
  const { run, dataset, out, adapter, mirror, output, signal } = options;
  const { predictCases } = await import("../train/predict/predict_cases.ts");
  const { readFinetuned } = await import("../train/finetune/checkpoint.ts");
  const { evaluateFolder, writeSummary } = await import("../evaluate/mod.ts");
  const cases = dataset.cases.filter(({ id }) => options.cases.includes(id));
  const bar = output.progress("validate", cases.length);
  const { failed } = await predictCases({
    models: [await readFinetuned(run)],
    cases,
    out,
    adapter,
    mirror,
    signal,
    onProgress: ({ kind, finished, id }) => kind === "written" && bar.update(finished, id),
  });
  bar.end();
  if (failed.length > 0) {
    throw new CliError(failed.map(({ id, message }) => `Cannot validate ${id}: ${message}`).join("\n"));
  }
  await using labels = await labelFolder(cases, dataset.fileEnding);
  const { foreground, ignore } = dataset.labels;
  const summary = await evaluateFolder({
    predictions: out,
    labels: labels.path,
    classes: foreground,
    ignore,
    surface: false,
    cases: cases.map(({ id }) => id),
    signal,
  });
  await writeSummary(join(out, "summary.json"), summary);
  return summary;
}

/** A folder in which the label map of every case has the case's name: that of the data set, or copies where it names files otherwise. */
async function labelFolder(
  cases: LabelledDataset["cases"],
  ending: string,
): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = dirname(cases[0].label);
  if (cases.every(({ id, label }) => label === join(folder, `${id}${ending}`))) {
    return { path: folder, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const path = await Deno.makeTempDir({ prefix: "spark3d_labels_" });
  for (const { id, label } of cases) await Deno.copyFile(label, join(path, `${id}${ending}`));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
