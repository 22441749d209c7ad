import { hashRandom } from "../../data/random.ts";
import { writeFileAtomic } from "../../data/atomic.ts";
import { discover } from "../../data/discovery/mod.ts";
import {
  type PhantomDatasetRequest,
  writePhantomCohort,
  writePhantomDataset,
} from "../../data/phantom/mod.ts";
import { pretrainEntries } from "../../data/pretrain_data.ts";
import type { Dims3 } from "../../data/volume.ts";
import type { Output } from "../output.ts";
import { exists, join, resolve } from "../paths.ts";
import type { StudyConfig, StudyTask } from "./config.ts";
import { writeHalfHead } from "./half_heads.ts";

/** First subject of the locked test heads, far from those of training. */
const FIRST_TEST_SUBJECT = 1000;
const ORDER_STREAM = 0x73747564;

/** Folders of a task's labelled data, relative to the study. */
export const datasetFolder = (task: StudyTask) => `datasets/${task}`;
/** Folder of a task's locked test cases, relative to the study. */
export const testFolder = (task: StudyTask) => `locked/${task}`;

/** Cases of a task: `pool` in the order in which subsets grow, `development` for choices. */
export interface StudyCases {
  readonly pool: readonly string[];
  readonly development: readonly string[];
}

/** Which case ids of a task's data set train and which serve for choices. Shuffled once by the study's seed. */
export function studyCases(config: StudyConfig, task: StudyTask): StudyCases {
  if (task === "half-head") return { pool: ["left"], development: ["left"] };
  const { pool, development } = config.cohort;
  const ids = Array.from({ length: pool + development }, (_, i) => `head_${String(i).padStart(4, "0")}`);
  const order = hashRandom(config.seed, ORDER_STREAM).permutation(pool);
  return { pool: [...order].map((i) => ids[i]), development: ids.slice(pool) };
}

/** Writes the labelled data of a task unless it is there. */
export async function ensureTaskData(
  study: string,
  config: StudyConfig,
  task: StudyTask,
  output: Output,
  signal: AbortSignal,
): Promise<string> {
  const { pool, development } = config.cohort;
  return await ensureLabelled({
    out: join(study, datasetFolder(task)),
    config,
    task,
    side: "left",
    firstSubject: 0,
    subjects: pool + development,
    output,
    signal,
  });
}

/** Writes a task's locked test cases unless they are there. For `--final` only. */
export async function openTestData(
  study: string,
  config: StudyConfig,
  task: StudyTask,
  output: Output,
  signal: AbortSignal,
): Promise<string> {
  return await ensureLabelled({
    out: join(study, testFolder(task)),
    config,
    task,
    side: "right",
    firstSubject: FIRST_TEST_SUBJECT,
    subjects: config.cohort.test,
    output,
    signal,
  });
}

interface LabelledRequest {
  readonly out: string;
  readonly config: StudyConfig;
  readonly task: StudyTask;
  readonly side: "left" | "right";
  readonly firstSubject: number;
  readonly subjects: number;
  readonly output: Output;
  readonly signal: AbortSignal;
}

async function ensureLabelled(request: LabelledRequest): Promise<string> {
  const { out, config, task, side, firstSubject, subjects, output, signal } = request;
  if (await exists(join(out, "dataset.json"))) return out;
  if (task === "half-head") {
    await writeHalfHead({ ...config.head!, side, out });
    return out;
  }
  const bar = output.progress(`heads of ${task}`, subjects);
  const phantoms: PhantomDatasetRequest = {
    out,
    task,
    subjects,
    firstSubject,
    seed: config.cohort.seed,
    spacing: cube(config.spacing),
    onProgress: (done, file) => bar.update(done, file),
    signal,
  };
  await writePhantomDataset(phantoms);
  bar.end();
  return out;
}

/**
 * Makes the list of unlabelled volumes for pre-training: generated heads of another seed than the labelled ones and, where the study
 * names a folder, real volumes.
 *
 * @returns path of a CSV file that `prepare` takes
 */
export async function ensureUnlabelled(
  study: string,
  config: StudyConfig,
  output: Output,
  signal: AbortSignal,
): Promise<string> {
  const cohort = join(study, "datasets", "unlabelled");
  const list = join(study, "datasets", "unlabelled.csv");
  if (!await exists(join(cohort, "dataset_description.json"))) {
    const { unlabelled: subjects, seed } = config.cohort;
    const bar = output.progress("unlabelled heads", subjects);
    await writePhantomCohort({
      out: cohort,
      subjects,
      seed: seed + 1,
      lesions: true,
      spacing: cube(config.spacing),
      onProgress: (done, file) => bar.update(done, file),
      signal,
    });
    bar.end();
  }
  const folders = [cohort, ...(config.unlabelled === null ? [] : [config.unlabelled])];
  const rows = ["path,subject,modality"];
  for (const [i, folder] of folders.entries()) {
    for (const { subject, image } of pretrainEntries(await discover(resolve(folder)))) {
      rows.push([image.image_path, `source${i}-${subject}`, image.modality].join(","));
    }
  }
  await writeFileAtomic(list, rows.join("\n") + "\n");
  return list;
}

const cube = (mm: number): Dims3 => [mm, mm, mm];
