import { requireSameGrid } from "../data/same_grid.ts";
import type { PoolTask } from "../data/task_pool.ts";
import type { Volume } from "../data/volume.ts";
import { caseMetrics } from "./case_metrics.ts";
import { readLabelMap } from "./label_map.ts";
import type { FilePair } from "./match_files.ts";
import type { EvaluatedCase, EvaluatedClass } from "./types.ts";

/** What all pairs of a run share; plain values, posted to every worker once. */
export interface PairSettings {
  readonly classes: readonly EvaluatedClass[];
  readonly ignore: number | null;
  readonly tolerances: readonly number[];
  readonly surface: boolean;
}

/** One pair to evaluate; plain values, posted to a worker. */
export interface PairTask extends PoolTask, FilePair {}

/** Label values that files may hold: background, those of the classes, and the ignore label. */
export function declaredValues(classes: readonly EvaluatedClass[], ignore: number | null): Set<number> {
  return new Set([0, ...classes.flatMap(({ values }) => values), ...(ignore === null ? [] : [ignore])]);
}

/**
 * Refuses a prediction that does not lie on the grid of its reference.
 *
 * @throws {DataError} naming the prediction and the difference
 */
export function requirePairGrid(
  pair: FilePair,
  prediction: Pick<Volume, "shape" | "spacing" | "affine">,
  reference: Pick<Volume, "shape" | "spacing" | "affine">,
): void {
  requireSameGrid(
    { file: pair.prediction, kind: "a prediction", grid: prediction },
    { file: pair.reference, grid: reference },
    "predict in the geometry of the image, or resample the prediction to it",
    "evaluate",
  );
}

/**
 * Reads one pair of files and evaluates it in the geometry of the reference.
 *
 * @throws {DataError} when a file cannot be read, the grids differ, or a value is not declared
 */
export async function evaluatePair(pair: FilePair, settings: PairSettings): Promise<EvaluatedCase> {
  const known = declaredValues(settings.classes, settings.ignore);
  const reference = await readLabelMap(pair.reference, known);
  const prediction = await readLabelMap(pair.prediction, known);
  requirePairGrid(pair, prediction, reference);
  return {
    id: pair.id,
    reference_file: pair.reference,
    prediction_file: pair.prediction,
    spacing: reference.spacing,
    metrics: caseMetrics(reference, prediction, { ...settings, spacing: reference.spacing }),
  };
}
