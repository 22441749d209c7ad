import { caseMetrics } from "./case_metrics.ts";
import { readLabelMap } from "./label_map.ts";
import type { FilePair } from "./match_files.ts";
import { checkSameGrid } from "./same_grid.ts";
import type { EvaluatedCase, EvaluatedClass } from "./types.ts";

/** What all pairs of a run share; plain values, posted to every worker once. */
export interface PairSettings {
  readonly classes: readonly EvaluatedClass[];
  readonly ignore: number | null;
  readonly tolerances: readonly number[];
  readonly surface: boolean;
}

/** Label values that files may hold: background, those of the classes, and the ignore label. */
export function declaredValues(classes: readonly EvaluatedClass[], ignore: number | null): Set<number> {
  return new Set([0, ...classes.flatMap(({ values }) => values), ...(ignore === null ? [] : [ignore])]);
}

/**
 * Reads one pair of files and evaluates it in the geometry of the reference.
 *
 * @throws {DataError} when a file cannot be read, the grids differ, or a value is not declared
 */
export async function evaluatePair(pair: FilePair, settings: PairSettings): Promise<EvaluatedCase> {
  const { classes, ignore } = settings;
  const known = new Set([
    0,
    ...classes.flatMap(({ values }) => values),
    ...(ignore === null ? [] : [ignore]),
  ]);
  const reference = await readLabelMap(pair.reference, known);
  const prediction = await readLabelMap(pair.prediction, known);
  checkSameGrid(pair.prediction, prediction, reference);
  return {
    id: pair.id,
    reference_file: pair.reference,
    prediction_file: pair.prediction,
    spacing: reference.spacing,
    metrics: caseMetrics(reference, prediction, { ...settings, spacing: reference.spacing }),
  };
}
