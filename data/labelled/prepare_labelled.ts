import { cleanTemporary, makeFolder } from "../atomic.ts";
import { toDataError } from "../errors.ts";
import { lockFolder, type LockOptions } from "../folder_lock.ts";
import type { LabelledDataset } from "../nnunet/dataset.ts";
import type { ConfigurationPlan, Plans } from "../nnunet/plans.ts";
import { defaultMemoryBytes } from "../prepare/estimate_memory.ts";
import { runTasks } from "../task_pool.ts";
import { caseSettings, caseTasks } from "./case_tasks.ts";
import {
  LABELLED_FILE,
  type LabelledCase,
  type LabelledIndex,
  labelledIndexText,
  readLabelledIndex,
  writeLabelledIndex,
} from "./labelled_index.ts";
import { type CaseSettings, type CaseTask, finishedCase, prepareCase } from "./prepare_case.ts";

/** What became of one case. */
export interface LabelledProgress {
  /** Cases finished so far, this one included. */
  readonly done: number;
  readonly total: number;
  readonly id: string;
  readonly status: "prepared" | "reused";
  /** Time for this case on its thread; 0 when nothing was computed. */
  readonly ms: number;
}

/** What to prepare, and how. */
export interface PrepareLabelledOptions extends LockOptions {
  readonly dataset: LabelledDataset;
  readonly plans: Plans;
  /** Name of a configuration of the plans, such as "3d_fullres". */
  readonly configuration: string;
  /** Folder of the store itself, see `labelledStorePath`; created when missing, continued when it is there. */
  readonly out: string;
  /** Threads; one per core when left out, 0 computes on the calling thread. */
  readonly workers?: number;
  /** Bytes that the cases in work may take together; three quarters of the machine's memory when left out. */
  readonly memoryBytes?: number;
  readonly onProgress?: (progress: LabelledProgress) => void;
  /** Stops the wait, or after the cases in work, with the signal's reason; finished cases stay for the next run. */
  readonly signal?: AbortSignal;
  /** Called once when another process is preparing this store: what it finishes is taken. */
  readonly onWait?: () => void;
}

/** A finished labelled store. */
export interface PreparedLabelled {
  /** Folder of the store. */
  readonly path: string;
  readonly index: LabelledIndex;
  readonly prepared: number;
  readonly reused: number;
}

/** Where the store of a configuration lies in a data set's prepared folder: `<prepared>/<data_identifier>`. */
export function labelledStorePath(
  prepared: string,
  configuration: Pick<ConfigurationPlan, "data_identifier">,
): string {
  return `${prepared}/${configuration.data_identifier}`;
}

/**
 * Prepares all cases of a data set by a plan, on worker threads: one Zarr array a channel, one for the labels, and the drawn voxels of
 * every class. A case that an earlier run finished from the same files with the same settings is not done again; the index is written
 * when all cases are there, and cases that the data set no longer has are removed. The same bytes come out whatever the number of threads.
 * Of several processes one works, the others wait; a finished store is not written to.
 *
 * @throws {DataError} for the first case that cannot be used (none is left out), when the plans lack the configuration, or when the store
 * cannot be written
 */
export async function prepareLabelled(options: PrepareLabelledOptions): Promise<PreparedLabelled> {
  const { dataset, out } = options;
  const settings = caseSettings(options);
  const tasks = await caseTasks(dataset, settings);
  const ready = finishedStore(tasks, options);
  if (ready !== null) {
    ready.cases.forEach(({ id }, i) =>
      options.onProgress?.({ done: i + 1, total: tasks.length, id, status: "reused", ms: 0 })
    );
    return { path: out, index: ready, prepared: 0, reused: tasks.length };
  }
  await makeFolder(out);
  using _others = await lockFolder(out, options);
  const before = indexBefore(out);
  const { cases, prepared } = await prepareCases(tasks, settings, options, before !== null);
  const index = labelledIndex(options, cases);
  await writeLabelledIndex(out, index);
  await removeOthers(out, tasks, before);
  return { path: out, index, prepared, reused: tasks.length - prepared };
}

/** The index of a store that is as it would be made now; null when there is something to do. */
function finishedStore(tasks: readonly CaseTask[], options: PrepareLabelledOptions): LabelledIndex | null {
  const before = indexBefore(options.out);
  if (before === null) return null;
  const cases = tasks.map((task) => finishedCase(task, options.out));
  if (cases.includes(null)) return null;
  const index = labelledIndex(options, cases.map((one) => one!));
  return labelledIndexText(before) === labelledIndexText(index) ? index : null;
}

async function prepareCases(
  tasks: readonly CaseTask[],
  settings: CaseSettings,
  options: PrepareLabelledOptions,
  indexed: boolean,
): Promise<{ cases: LabelledCase[]; prepared: number }> {
  const { out, workers = navigator.hardwareConcurrency, onProgress, signal } = options;
  let done = 0;
  const report = (id: string, status: LabelledProgress["status"], ms: number) =>
    onProgress?.({ done: ++done, total: tasks.length, id, status, ms });
  const cases = tasks.map((task) => finishedCase(task, out));
  const left = tasks.flatMap((task, index) => (cases[index] ? [] : [{ ...task, index }]));
  for (const one of cases) if (one) report(one.id, "reused", 0);
  if (left.length > 0) {
    await cleanTemporary(out);
    if (indexed) await Deno.remove(`${out}/${LABELLED_FILE}`); // nobody shall train on a mixture of old and new cases
    const memoryBytes = options.memoryBytes ?? defaultMemoryBytes();
    const url = new URL("./case_worker.ts", import.meta.url);
    const pool = { settings, workers, memoryBytes, url, work: prepareCase, signal };
    await runTasks(left, pool, (position, { prepared, ms }) => {
      cases[left[position].index] = prepared;
      report(prepared.id, "prepared", ms);
    });
  }
  return { cases: cases.map((one) => one!), prepared: left.length };
}

function indexBefore(out: string): LabelledIndex | null {
  try {
    return readLabelledIndex(out);
  } catch {
    return null; // none yet, or one of another version: it is written anew
  }
}

function labelledIndex(
  { dataset, plans, configuration }: PrepareLabelledOptions,
  cases: readonly LabelledCase[],
): LabelledIndex {
  const { foreground, ignore } = dataset.labels;
  return {
    format: "spark3d-labelled",
    version: 1,
    dataset: dataset.name,
    plans: plans.plans_name,
    configuration,
    dataIdentifier: plans.configurations[configuration].data_identifier,
    channelNames: dataset.channelNames,
    classes: foreground.map(({ name, values }) => ({ name, values })),
    ignore,
    orientation: plans.orientation ?? null,
    cases,
  };
}

/** Removes the cases of the index before that the data set no longer has. */
async function removeOthers(
  out: string,
  tasks: readonly CaseTask[],
  before: LabelledIndex | null,
): Promise<void> {
  const kept = new Set(tasks.map(({ path }) => path));
  for (const { label } of before?.cases ?? []) {
    const path = label.path.slice(0, label.path.lastIndexOf("/"));
    if (kept.has(path) || !/^cases\/[^/]+$/.test(path)) continue;
    await Deno.remove(`${out}/${path}`, { recursive: true }).catch((error) => {
      throw toDataError(error, `${out}/${path}`, "remove");
    });
  }
}
