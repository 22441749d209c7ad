import { DataError } from "../data/errors.ts";
import { readImageHeader } from "../data/formats/mod.ts";
import { defaultMemoryBytes } from "../data/prepare/estimate_memory.ts";
import { runTasks } from "../data/task_pool.ts";
import { voxelCount } from "../data/volume.ts";
import { checkClasses } from "./check_classes.ts";
import { evaluatePair, type PairTask, requirePairGrid } from "./evaluate_pair.ts";
import { type FilePair, matchFiles } from "./match_files.ts";
import { summarize } from "./summarize.ts";
import { classKey, type EvaluatedCase, type EvaluateFolderOptions, type EvaluationSummary } from "./types.ts";

/** Tolerance of NSD in mm when none is named. */
export const DEFAULT_TOLERANCE = 1;

/** Most memory that evaluating a pair takes, bytes a voxel: voxels as float32 and as labels, slots and masks of both maps. */
const BYTES_PER_VOXEL = 16;

/**
 * Evaluates every prediction of a folder against its reference, in the geometry of the reference file.
 *
 * All headers are checked before the first voxel is read. The result does not depend on the number of threads.
 *
 * @throws {DataError} when a reference has no prediction, a file cannot be read, grids differ, or a label value is not declared; for classes
 * that cannot be evaluated, and for a number of tolerances that is not that of the classes
 */
export async function evaluateFolder(options: EvaluateFolderOptions): Promise<EvaluationSummary> {
  const { classes, ignore = null, surface = true, onProgress, signal } = options;
  checkClasses(classes, ignore);
  const tolerances = classTolerances(options.tolerances ?? DEFAULT_TOLERANCE, classes.length);
  const { pairs, warnings } = await matchFiles(options);
  const tasks = await pairTasks(pairs, signal);
  const cases = new Array<EvaluatedCase>(tasks.length);
  let done = 0;
  await runTasks(tasks, {
    settings: { classes, ignore, tolerances, surface },
    workers: options.workers ?? navigator.hardwareConcurrency,
    memoryBytes: defaultMemoryBytes(),
    url: new URL("./evaluate_worker.ts", import.meta.url),
    work: evaluatePair,
    signal,
  }, (index, result) => {
    cases[index] = result;
    onProgress?.(++done, tasks.length, result.id);
  });
  return summarize(cases, {
    classes: classes.map(({ name, values }, i) => ({
      name,
      values,
      key: classKey(values),
      tolerance: tolerances[i],
    })),
    ignore_label: ignore,
    surface,
    warnings,
  });
}

/** Compares the headers of all pairs, and turns them into tasks. */
async function pairTasks(pairs: readonly FilePair[], signal?: AbortSignal): Promise<PairTask[]> {
  const tasks: PairTask[] = [];
  for (const pair of pairs) {
    signal?.throwIfAborted();
    const reference = await readImageHeader(pair.reference);
    const prediction = await readImageHeader(pair.prediction);
    requirePairGrid(pair, prediction, reference);
    const largestFile = Math.max(reference.contentBytes, prediction.contentBytes);
    const memoryBytes = largestFile + BYTES_PER_VOXEL * voxelCount(reference.shape);
    tasks.push({ ...pair, file: pair.prediction, memoryBytes });
  }
  return tasks;
}

function classTolerances(tolerances: number | readonly number[], classes: number): readonly number[] {
  const all = typeof tolerances === "number" ? new Array<number>(classes).fill(tolerances) : tolerances;
  if (all.length !== classes || !all.every((mm) => mm >= 0 && Number.isFinite(mm))) {
    throw new DataError({
      file: "the tolerances",
      action: "use",
      found: all.join(", ") || "none",
      wanted: `one for all classes or ${classes}, each a distance in mm`,
      remedy: "correct the tolerances",
    });
  }
  return all;
}
