import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { CliError } from "../errors.ts";
import { exists, join, readJson } from "../paths.ts";
import { runSeveral } from "../run_several.ts";
import { type StudyConfig, studyConfigSchema, type StudyMethod } from "./config.ts";
import { ensureTaskData } from "./datasets.ts";
import { configDigest, recordFinalUse } from "./final_record.ts";
import { choiceJobs, chooseCandidates, type StudyChoice, type StudyJob, studyJobs } from "./jobs.ts";
import {
  ensurePretrained,
  ensureUnlabelledStore,
  pretrainingFolder,
  type StudyContext,
} from "./pretraining.ts";
import { collectResults, developmentDice, type StudyResults } from "./results.ts";
import { type Checkpoints, evaluateJob, type PreparedTask, prepareTask, runJob } from "./run_job.ts";
import { writeStudyReport } from "./study_report.ts";

/** File of a study's configuration. */
const CONFIG_FILE = "study.json";

/** How a study is run, without influence on what comes out. */
export interface StudyOptions {
  /** Also evaluate the locked test cases. */
  readonly final: boolean;
  /** Networks in training, or at work, at once. */
  readonly jobs: number;
}

/**
 * Runs a low-data study to its end, or goes on with one: pre-training, fine-tuning with few labelled cases, evaluation on development
 * cases and, with `final`, on the locked test cases; then results and report. The same files come out whatever the number of `jobs`.
 *
 * Source: the low-resource protocol of the method's specification, section 11.
 *
 * @throws the signal's reason when stopped; what is done stays and is not done again
 */
export async function runLowDataStudy(
  context: StudyContext,
  options: StudyOptions,
): Promise<StudyResults> {
  const { study, config } = context;
  const checkpoints = await pretrainMethods(context, options.jobs);
  const prepared = new Map<string, PreparedTask>();
  for (const task of config.tasks) prepared.set(task, await prepareTask(context, task, checkpoints));
  const run = async (jobs: readonly StudyJob[]) => {
    const label = (job: StudyJob, i: number) => `run ${i + 1} of ${jobs.length}, ${job.folder}`;
    await atOnce(context, jobs, options.jobs, label, async (own, job) => {
      own.output.log("started");
      await runJob(own, job, prepared.get(job.task)!, checkpoints);
    });
  };
  const choices = await choose(context, run);
  const jobs = studyJobs(config, choices);
  await run(jobs);
  if (options.final) await testJobs(context, jobs, options.jobs);
  const results = await collectResults(study, config, choices);
  await writeStudyReport(study, results);
  return results;
}

/** Tries the candidates of every task and method on the development cases and says which ones it takes. */
async function choose(
  { study, config, output }: StudyContext,
  run: (jobs: readonly StudyJob[]) => Promise<void>,
): Promise<StudyChoice[]> {
  const jobs = choiceJobs(config), dice = new Map<string, number>();
  await run(jobs);
  for (const { folder } of jobs) dice.set(folder, await developmentDice(study, folder));
  const choices = chooseCandidates(config, ({ folder }) => dice.get(folder)!);
  for (const { task, method, chosen, scores } of choices) {
    if (scores.length > 0) output.log(`${task}, ${method}: takes ${chosen.name}`);
  }
  return choices;
}

/** Works on parts of a study, several at a time, each with an output that names it. */
async function atOnce<T>(
  context: StudyContext,
  items: readonly T[],
  jobs: number,
  label: (item: T, index: number) => string,
  work: (own: StudyContext, item: T) => Promise<void>,
): Promise<void> {
  const { output, signal } = context;
  await runSeveral(items, { jobs, signal }, async (item, index, signal) => {
    await work({ ...context, output: output.beside(label(item, index)), signal }, item);
  });
}

/** Opens the locked test cases, after writing down that it does, and evaluates every run on them. */
async function testJobs(
  context: StudyContext,
  jobs: readonly StudyJob[],
  count: number,
): Promise<void> {
  const { study, config } = context;
  const time = new Date().toISOString();
  await recordFinalUse(study, { time, config: await configDigest(config), runs: jobs.length });
  for (const task of config.tasks) {
    const folder = await ensureTaskData(context, task, "locked");
    const own = jobs.filter((job) => job.task === task);
    const label = (job: StudyJob, i: number) => `test ${i + 1} of ${own.length}, ${job.folder}`;
    await atOnce(context, own, count, label, async (part, job) => {
      await evaluateJob(part, job, folder, "all", "test");
    });
  }
}

/** The checkpoint that gives all runs of a study their network, and those that give some their weights. */
async function pretrainMethods(context: StudyContext, jobs: number): Promise<Checkpoints> {
  const methods = context.config.methods.filter((method): method is Exclude<StudyMethod, "scratch"> =>
    method !== "scratch"
  );
  const found: Record<keyof Checkpoints, string | null> = { mae: null, s3d: null };
  await ensureUnlabelledStore(context);
  await atOnce(
    context,
    methods.length > 0 ? methods : ["s3d" as const],
    jobs,
    pretrainingFolder,
    async (own, method) => {
      found[method] = await ensurePretrained(own, method);
    },
  );
  return found;
}

/**
 * Starts a study in a folder, or finds the one that is there.
 *
 * @param given settings of a new study; none for one that is there, unless they are the same
 * @throws {CliError} when the folder holds another study, or none although nothing was given
 */
export async function openStudy(study: string, given: StudyConfig | null): Promise<StudyConfig> {
  const path = join(study, CONFIG_FILE);
  if (!await exists(path)) {
    const config = given ?? studyConfigSchema.parse({});
    await makeFolder(study);
    await writeJsonAtomic(path, config);
    return config;
  }
  const found = studyConfigSchema.parse(await readJson(path));
  if (given !== null && JSON.stringify(given) !== JSON.stringify(found)) {
    throw new CliError(
      `Cannot run this study in ${study}: it holds a study with other settings: leave out --config to go on with it, ` +
        `or name another folder`,
    );
  }
  return found;
}
