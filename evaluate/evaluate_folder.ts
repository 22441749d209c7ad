import { readImageHeader } from "../data/formats/mod.ts";
import { voxelCount } from "../data/volume.ts";
import { evaluatePairs } from "./evaluate_pairs.ts";
import { MAX_LABEL } from "./label_map.ts";
import { type FilePair, matchFiles } from "./match_files.ts";
import { checkSameGrid } from "./same_grid.ts";
import { summarize } from "./summarize.ts";
import {
  classKey,
  type EvaluatedClass,
  type EvaluateFolderOptions,
  type EvaluationSummary,
} from "./types.ts";

/** Tolerance of NSD in mm when none is named. */
export const DEFAULT_TOLERANCE = 1;

/** Most memory that evaluating a pair takes, bytes a voxel: voxels as float32 and as labels, slots and masks of both maps. */
const BYTES_PER_VOXEL = 16;

/**
 * Evaluates every prediction of a folder against its reference, in the geometry of the reference file.
 *
 * All headers are checked before the first voxel is read. The result does not depend on the number of threads.
 *
 * @throws {DataError} when a reference has no prediction, a file cannot be read, grids differ, or a label value is not declared
 * @throws {RangeError} for classes that cannot be evaluated and for a number of tolerances that is not that of the classes
 */
export async function evaluateFolder(options: EvaluateFolderOptions): Promise<EvaluationSummary> {
  const { classes, ignore = null, surface = true, onProgress, signal } = options;
  checkClasses(classes, ignore);
  const tolerances = classTolerances(options.tolerances ?? DEFAULT_TOLERANCE, classes.length);
  const { pairs, warnings } = await matchFiles(options);
  const voxels = await checkPairs(pairs, signal);
  const workers = options.workers ?? defaultWorkers(pairs.length, voxels);
  const settings = { classes, ignore, tolerances, surface };
  const cases = await evaluatePairs(pairs, settings, { workers, onProgress, signal });
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

/** Threads for pairs of this size: no more than processors, pairs, and what half of the free memory holds. */
function defaultWorkers(pairs: number, voxels: number): number {
  const room = Math.floor(Deno.systemMemoryInfo().available / 2 / (voxels * BYTES_PER_VOXEL));
  return Math.max(1, Math.min(navigator.hardwareConcurrency, pairs, room));
}

/** Compares the headers of all pairs. @returns voxels of the largest one */
async function checkPairs(pairs: readonly FilePair[], signal?: AbortSignal): Promise<number> {
  let voxels = 1;
  for (const { reference, prediction } of pairs) {
    signal?.throwIfAborted();
    const header = await readImageHeader(reference);
    checkSameGrid(prediction, await readImageHeader(prediction), header);
    voxels = Math.max(voxels, voxelCount(header.shape));
  }
  return voxels;
}

function checkClasses(classes: readonly EvaluatedClass[], ignore: number | null): void {
  const fail = (found: string, wanted: string): never => {
    throw new RangeError(`Cannot evaluate classes: found ${found}, wanted ${wanted}: correct the classes`);
  };
  if (classes.length === 0) fail("none", "at least one class");
  const keys = new Set<string>();
  for (const { name, values } of classes) {
    const key = classKey(values);
    if (keys.has(key)) fail(`label ${key} twice`, "every class once");
    keys.add(key);
    const valid = (value: number) => Number.isInteger(value) && value > 0 && value <= MAX_LABEL;
    if (values.length === 0 || !values.every(valid)) {
      fail(`${name} with values ${values.join(", ") || "none"}`, `whole numbers from 1 to ${MAX_LABEL}`);
    }
    if (ignore !== null && values.includes(ignore)) {
      fail(`ignore label ${ignore} in ${name}`, "it in no class");
    }
  }
}

function classTolerances(tolerances: number | readonly number[], classes: number): readonly number[] {
  const all = typeof tolerances === "number" ? new Array<number>(classes).fill(tolerances) : tolerances;
  if (all.length !== classes || !all.every((mm) => mm >= 0 && Number.isFinite(mm))) {
    throw new RangeError(
      `Cannot use tolerances ${
        all.join(", ")
      }: wanted one for all classes or ${classes}, each a distance in mm`,
    );
  }
  return all;
}
