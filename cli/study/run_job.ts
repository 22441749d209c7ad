import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { labelledStorePath, prepareLabelled } from "../../data/labelled/mod.ts";
import { type LabelledDataset, readDataset } from "../../data/nnunet/dataset.ts";
import type { Plans } from "../../data/nnunet/plans.ts";
import { caseScore, type EvaluationSummary } from "../../evaluate/mod.ts";
import { finetune } from "../../train/finetune/finetune.ts";
import type { FinetuneConfig } from "../../train/finetune/config.ts";
import { resolveFinetuneConfig } from "../../train/finetune/resolve_config.ts";
import { adaptPlans, readPretrained } from "../../train/finetune/plan_modes.ts";
import { type JsonObject, mergeConfig } from "../../train/merge_config.ts";
import { ensurePlans } from "../labelled_data.ts";
import { exists, join } from "../paths.ts";
import { segmentAndEvaluate } from "../segment_and_evaluate.ts";
import { showTrainEvents } from "../train_progress.ts";
import type { StudyMethod, StudyTask } from "./config.ts";
import { datasetFolder, ensureTaskData, studyCases } from "./datasets.ts";
import type { StudyJob } from "./jobs.ts";
import type { StudyContext } from "./pretraining.ts";

/** Configuration of the plans that a study trains. */
const CONFIGURATION = "3d_fullres";

/** A task that is ready for fine-tuning. */
export interface PreparedTask {
  readonly dataset: LabelledDataset;
  readonly plans: Plans;
  /** Folder of the labelled store. */
  readonly store: string;
}

/** Checkpoints of the pre-trained methods. */
export type Checkpoints = Readonly<Record<Exclude<StudyMethod, "scratch">, string | null>>;

/** Any pre-trained checkpoint: all have the same network and plan, which the runs from random weights take as well. */
function anyCheckpoint({ s3d, mae }: Checkpoints): string {
  return (s3d ?? mae)!;
}

/** Generates, plans and prepares the labelled data of a task. */
export async function prepareTask(
  context: StudyContext,
  task: StudyTask,
  checkpoints: Checkpoints,
): Promise<PreparedTask> {
  const { study, config, output, signal } = context;
  const folder = await ensureTaskData(context, task, "training");
  const prepared = join(study, "prepared", task);
  const { dataset, plans: dynamic } = await ensurePlans({ dataset: folder, prepared, output, signal });
  const plans = adaptPlans(dynamic, "fixed", {
    checkpoint: await readPretrained(anyCheckpoint(checkpoints)),
    spacing: [config.spacing, config.spacing, config.spacing],
  });
  const store = labelledStorePath(prepared, plans.configurations[CONFIGURATION]);
  await prepareLabelled({ dataset, plans, configuration: CONFIGURATION, out: store, signal });
  return { dataset, plans, store };
}

/** Configuration of a run: the same for all but for what its candidate sets apart. */
export function jobConfig(
  context: StudyContext,
  job: StudyJob,
  { dataset, plans }: PreparedTask,
): FinetuneConfig {
  const { finetuning } = context.config;
  const own = job.candidate.finetuning;
  return resolveFinetuneConfig({
    preset: "demo",
    start: job.method === "scratch" ? "fixed-scratch" : "pretrained",
    file: mergeConfig(mergeConfig(finetuning as JsonObject, own as JsonObject), { seed: job.seed }),
    fileName: "finetuning",
    plan: {
      name: CONFIGURATION,
      configuration: plans.configurations[CONFIGURATION],
      inputChannels: dataset.channelNames.length,
      outputs: dataset.labels.outputs,
    },
  });
}

/**
 * Fine-tunes one network of a study and evaluates it on the development cases; a finished run is left alone, an interrupted one goes on.
 *
 * @throws the signal's reason when stopped
 */
export async function runJob(
  context: StudyContext,
  job: StudyJob,
  task: PreparedTask,
  checkpoints: Checkpoints,
): Promise<void> {
  const { study, config, adapter, output, signal } = context;
  const out = join(study, job.folder);
  const { pool, development } = studyCases(config, job.task);
  if (
    !await exists(join(out, "summary.json")) || !await exists(join(out, "checkpoints", "final.safetensors"))
  ) {
    output.log(`fine-tuning ${job.folder}`);
    await makeFolder(out);
    const from = job.method === "scratch" ? undefined : checkpoints[job.method] ?? undefined;
    const summary = await finetune({
      config: jobConfig(context, job, task),
      store: task.store,
      out,
      plans: task.plans,
      dataset: task.dataset.description as JsonObject,
      cases: { train: pool.slice(0, job.labelled), val: development },
      ...(from === undefined ? {} : { from }),
      transferDecoder: job.candidate.transferDecoder,
      resume: await exists(join(out, "checkpoints", "latest.safetensors")),
      adapter,
      signal,
      onEvent: showTrainEvents(output),
    });
    if (summary.state === "stopped") throw signal.reason;
  }
  const folder = join(study, datasetFolder(job.task));
  await evaluateJob(context, job, folder, development, "development");
}

/**
 * Segments cases of a labelled data set with a run's final network and evaluates them, unless that was done. Without mirroring, which would
 * take eight times as long.
 */
export async function evaluateJob(
  { study, adapter, output, signal }: StudyContext,
  job: StudyJob,
  folder: string,
  ids: readonly string[] | "all",
  name: "development" | "test",
): Promise<void> {
  const run = join(study, job.folder), out = join(run, name);
  const scores = join(out, "scores.json");
  if (await exists(scores)) return;
  const dataset = await readDataset(folder);
  const cases = ids === "all" ? dataset.cases.map(({ id }) => id) : ids;
  const summary = await segmentAndEvaluate({
    run,
    dataset,
    cases,
    out,
    adapter,
    mirror: false,
    output,
    signal,
  });
  await writeJsonAtomic(scores, caseScores(summary));
}

/** Mean Dice of every case over the classes that it has, by case id; null where it has none. */
export function caseScores(summary: EvaluationSummary): Readonly<Record<string, number | null>> {
  return Object.fromEntries(summary.metric_per_case.map(({ id, metrics }) => {
    const score = caseScore(metrics);
    return [id, Number.isNaN(score) ? null : score];
  }));
}
