import { cleanTemporary, makeFolder, writeFileAtomic } from "../atomic.ts";
import { discover } from "../discovery/mod.ts";
import { DataError } from "../errors.ts";
import type { Rejection } from "../filters/mod.ts";
import { type PretrainData, writePretrainData } from "../pretrain_data.ts";
import { SPLIT_SEED } from "../split.ts";
import { STORE_FILE, type StoreVolume } from "../store_index.ts";
import { runTasks } from "../task_pool.ts";
import { readZarrMetadata } from "../zarr/mod.ts";
import { defaultMemoryBytes } from "./estimate_memory.ts";
import type { ImageTask } from "./image_task.ts";
import type { PreparedDataset, PrepareOptions, PrepareProgress } from "./options.ts";
import {
  countRejections,
  type Outcome,
  type RunFacts,
  storeIndex,
  writeOutputs,
  writePlan,
} from "./outputs.ts";
import { partRange } from "./part.ts";
import { removeParts, writePart } from "./part_files.ts";
import { imageSettings, imageTasks, memoryReason } from "./plan_images.ts";
import { finishedVolume, prepareImage } from "./prepare_image.ts";
import { type Survey, surveyImages } from "./survey.ts";

/** Name of the file that lists what discovery passed over, such as derivatives. */
const LEFT_OUT_FILE = "left_out.jsonl";

/**
 * Prepares a data set for training: lists the images, reads all headers, filters, plans, preprocesses each image on a worker thread into
 * a Zarr array, and splits by subject.
 *
 * Writes store.json, report.jsonl (what became of every image), left_out.jsonl (files that are none, such as derivatives),
 * pretrain_data.json (as found), pretrain_data__CONFIGURATION.json (as prepared), dataset_fingerprint.json, nnsslPlans.json and
 * splits_final.json. An image that was finished by an earlier run with the same settings is not done again; one that cannot be used is
 * listed with its reason and the others go on. The result has the same bytes whatever the number of threads and however often the run
 * was interrupted.
 *
 * With `part`, only that part of the images is prepared, and `mergeParts` writes the files of the whole.
 *
 * @throws {DataError} when the source is missing or empty, the output cannot be written, or no image is usable
 */
export async function prepareDataset(options: PrepareOptions): Promise<PreparedDataset> {
  const { source, out, part } = options;
  const leftOut: { file: string; reason: string }[] = [];
  const data = await discover(source, {
    name: options.name,
    onLeftOut: (file, reason) => leftOut.push({ file, reason }),
  });
  await makeFolder(out);
  if (!part) await cleanTemporary(out);
  await writePretrainData(`${out}/pretrain_data.json`, data);
  await writeFileAtomic(
    `${out}/${LEFT_OUT_FILE}`,
    leftOut.map((line) => JSON.stringify(line) + "\n").join(""),
  );

  const orientation = options.orientation === undefined ? "RAS" : options.orientation;
  const { maxBytes, onSurvey, signal, filters = {} } = options;
  const survey = await surveyImages(data, { filters, orientation, maxBytes, onSurvey, signal });
  const facts = runFacts(options, data, orientation, survey);
  const reporter = new Reporter(facts, options);
  if (facts.fingerprint.spacings.length === 0) {
    await writeOutputs(out, data, facts, { volumes: new Map(), rejected: new Map() }); // throws: nothing is usable
  }
  const plan = await writePlan(out, facts);

  const settings = imageSettings(options, plan);
  const kept = facts.images.filter(({ rejection }) => !rejection);
  const [start, stop] = part ? partRange(kept.length, part) : [0, kept.length];
  const tasks = await imageTasks(kept.slice(start, stop), survey.headers, settings);
  const outcome = await prepareImages(tasks, options, settings, reporter);
  const { prepared, reused } = reporter;
  const done = { path: out, plan, prepared, reused };
  if (part) {
    const volumes = [...outcome.volumes.values()], rejected = [...outcome.rejected];
    await writePart(out, part, facts, { volumes, rejected });
    const own = partFacts(facts, outcome);
    return {
      ...done,
      index: storeIndex(own, outcome),
      rejectedByRule: countRejections(own, outcome),
      warnings: [],
    };
  }
  const { index, warnings } = await writeOutputs(out, data, facts, outcome);
  await removeParts(out);
  const [first] = leftOut;
  if (first) {
    const more = leftOut.length === 1 ? "" : ` and ${leftOut.length - 1} more, see ${LEFT_OUT_FILE}`;
    warnings.push(`Not taken as a training image: ${first.file} (${first.reason})${more}`);
  }
  return { ...done, index, rejectedByRule: countRejections(facts, outcome), warnings };
}

function runFacts(
  options: PrepareOptions,
  data: PretrainData,
  orientation: string | null,
  { images, headers }: Survey,
): RunFacts {
  const { configuration = "onemmiso", dtype = "float16", compression = "none", splitSeed, source } = options;
  const spacings = images.flatMap(({ id }) => headers.has(id) ? [headers.get(id)!.spacing] : []);
  return {
    head: { collection: data.collection_name, configuration, dtype, compression, orientation },
    splitSeed: splitSeed ?? SPLIT_SEED,
    source,
    fingerprint: { spacings },
    images,
  };
}

/** The facts about the images that a part has a result for. */
function partFacts(facts: RunFacts, { volumes, rejected }: Outcome): RunFacts {
  return { ...facts, images: facts.images.filter(({ id }) => volumes.has(id) || rejected.has(id)) };
}

/** Reuses what is there and prepares the rest. Results are keyed by image, so that order and threads do not matter. */
async function prepareImages(
  tasks: readonly ImageTask[],
  options: PrepareOptions,
  settings: ReturnType<typeof imageSettings>,
  reporter: Reporter,
): Promise<Outcome> {
  const { out, workers = navigator.hardwareConcurrency, signal } = options;
  const url = options.workerUrl ?? new URL("./image_worker.ts", import.meta.url);
  const memoryBytes = options.memoryBytes ?? defaultMemoryBytes();
  const volumes = new Map<string, StoreVolume>(), rejected = new Map<string, Rejection>();
  const reject = (task: ImageTask, rejection: Rejection, ms = 0) => {
    rejected.set(task.id, rejection);
    reporter.image(task.id, "rejected", ms, rejection);
  };
  const left: ImageTask[] = [];
  for (const task of tasks) {
    const finished = finishedVolume(task, out);
    if (finished) {
      volumes.set(task.id, finished);
      reporter.image(task.id, "reused", 0);
    } else if (task.memoryBytes > memoryBytes) {
      reject(task, { rule: "memory", reason: memoryReason(task, memoryBytes) });
    } else left.push(task);
  }
  await retractIndex(left, out);
  const pool = { settings, workers, memoryBytes, url, work: prepareImage, signal };
  await runTasks(left, pool, (position, result) => {
    const task = left[position];
    if (result.type === "prepared") {
      volumes.set(task.id, result.volume);
      reporter.image(task.id, "prepared", result.ms);
    } else reject(task, { rule: "unusable", reason: new DataError(result.fields).message }, result.ms);
  });
  return { volumes, rejected };
}

/** Takes back store.json when volumes that it lists are about to be replaced, so that nobody trains on a mixture. */
async function retractIndex(tasks: readonly ImageTask[], out: string): Promise<void> {
  const replaced = tasks.some(({ path }) => {
    try {
      readZarrMetadata(`${out}/${path}`);
      return true;
    } catch {
      return false;
    }
  });
  if (replaced) await Deno.remove(`${out}/${STORE_FILE}`).catch(() => {});
}

/** Counts images and tells the caller. Images that were left out before their voxels were read come first. */
class Reporter {
  prepared = 0;
  reused = 0;
  #done = 0;
  readonly #total: number;
  readonly #onProgress?: (progress: PrepareProgress) => void;

  constructor({ images }: RunFacts, { onProgress, part }: PrepareOptions) {
    const left = images.filter(({ rejection }) => rejection);
    const [start, stop] = part
      ? partRange(images.length - left.length, part)
      : [0, images.length - left.length];
    const listed = !part || part.index === 0 ? left : []; // once, by the first part
    this.#total = stop - start + listed.length;
    this.#onProgress = onProgress;
    for (const { id, rejection } of listed) this.image(id, "rejected", 0, rejection);
  }

  image(id: string, status: PrepareProgress["status"], ms: number, rejection?: Rejection): void {
    if (status === "prepared") this.prepared++;
    if (status === "reused") this.reused++;
    this.#onProgress?.({ done: ++this.#done, total: this.#total, id, status, ms, ...rejection });
  }
}
