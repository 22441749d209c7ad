import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { CliError } from "../errors.ts";
import { exists, join, readJson } from "../paths.ts";
import { type StudyConfig, studyConfigSchema, type StudyJob, studyJobs, type StudyMethod } from "./config.ts";
import { ensureTaskData } from "./datasets.ts";
import { configDigest, recordFinalUse } from "./final_record.ts";
import { ensurePretrained, type StudyContext } from "./pretraining.ts";
import { collectResults, type StudyResults } from "./results.ts";
import { type Checkpoints, evaluateJob, type PreparedTask, prepareTask, runJob } from "./run_job.ts";
import { writeStudyReport } from "./study_report.ts";

/** File of a study's configuration. */
const CONFIG_FILE = "study.json";

/**
 * Runs a low-data study to its end, or goes on with one: pre-training, fine-tuning with few labelled cases, evaluation on development
 * cases and, with `final`, on the locked test cases; then results and report.
 *
 * Source: the low-resource protocol of the method's specification, section 11.
 *
 * @throws the signal's reason when stopped; what is done stays and is not done again
 */
export async function runLowDataStudy(context: StudyContext, final: boolean): Promise<StudyResults> {
  const { study, config, output, signal } = context;
  const checkpoints = await pretrainMethods(context);
  const jobs = studyJobs(config);
  const prepared = new Map<string, PreparedTask>();
  for (const task of config.tasks) prepared.set(task, await prepareTask(context, task, checkpoints));
  for (const [i, job] of jobs.entries()) {
    signal.throwIfAborted();
    output.log(`run ${i + 1} of ${jobs.length}: ${job.folder}`);
    await runJob(context, job, prepared.get(job.task)!, checkpoints);
  }
  if (final) await testJobs(context, jobs);
  const results = await collectResults(study, config, jobs);
  await writeStudyReport(study, results);
  return results;
}

/** Opens the locked test cases, after writing down that it does, and evaluates every run on them. */
async function testJobs(context: StudyContext, jobs: readonly StudyJob[]): Promise<void> {
  const { study, config, output, signal } = context;
  const time = new Date().toISOString();
  await recordFinalUse(study, { time, config: await configDigest(config), runs: jobs.length });
  for (const task of config.tasks) {
    const folder = await ensureTaskData(context, task, "locked");
    const own = jobs.filter((job) => job.task === task);
    const bar = output.progress(`test ${task}`, own.length);
    for (const [i, job] of own.entries()) {
      signal.throwIfAborted();
      await evaluateJob(context, job, folder, "all", "test");
      bar.update(i + 1, job.folder);
    }
    bar.end();
  }
}

/** The checkpoint that gives all runs of a study their network, and those that give some their weights. */
async function pretrainMethods(context: StudyContext): Promise<Checkpoints> {
  const methods = context.config.methods.filter((method): method is Exclude<StudyMethod, "scratch"> =>
    method !== "scratch"
  );
  const found: Record<keyof Checkpoints, string | null> = { mae: null, s3d: null };
  for (const method of methods.length > 0 ? methods : ["s3d" as const]) {
    found[method] = await ensurePretrained(context, method);
  }
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
