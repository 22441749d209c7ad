import { hashRandom } from "../../data/random.ts";
import { writeFileAtomic } from "../../data/atomic.ts";
import { discover } from "../../data/discovery/mod.ts";
import { writePhantomCohort, writePhantomDataset } from "../../data/phantom/mod.ts";
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

/** Where and how a study makes its data. */
export interface StudyData {
  /** Folder of the study. */
  readonly study: string;
  readonly config: StudyConfig;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/**
 * Writes labelled data of a task unless it is there.
 *
 * @param part `training`: the pool and the development cases; `locked`: the test cases, for `--final` only
 * @returns folder of the data set
 */
export async function ensureTaskData(
  { study, config, output, signal }: StudyData,
  task: StudyTask,
  part: "training" | "locked",
): Promise<string> {
  const out = join(study, part === "training" ? datasetFolder(task) : testFolder(task));
  if (await exists(join(out, "dataset.json"))) return out;
  if (task === "half-head") {
    await writeHalfHead({ ...config.head!, side: part === "training" ? "left" : "right", out });
    return out;
  }
  const { pool, development, test, seed } = config.cohort;
  const subjects = part === "training" ? pool + development : test;
  const bar = output.progress(`heads of ${task}`, subjects);
  await writePhantomDataset({
    out,
    task,
    subjects,
    firstSubject: part === "training" ? 0 : FIRST_TEST_SUBJECT,
    seed,
    spacing: cube(config.spacing),
    onProgress: (done, file) => bar.update(done, file),
    signal,
  });
  bar.end();
  return out;
}

/**
 * Makes the list of unlabelled volumes for pre-training: generated heads of another seed than the labelled ones and, where the study
 * names a folder, real volumes.
 *
 * @returns path of a CSV file that `prepare` takes
 */
export async function ensureUnlabelled({ study, config, output, signal }: StudyData): Promise<string> {
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
