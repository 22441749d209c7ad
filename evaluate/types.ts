import type { Dims3 } from "../data/volume.ts";

/** A structure that is evaluated: a label, or a region of several labels. */
export interface EvaluatedClass {
  readonly name: string;
  /** Label values that belong to it. */
  readonly values: readonly number[];
}

/** Metrics of one class in one case; keys as in nnU-Net's summary.json, and ours beside them. NaN stands for "not defined". */
export interface ClassMetrics {
  /** 2 TP / (2 TP + FP + FN); NaN when reference and prediction are empty. */
  readonly Dice: number;
  /** TP / (TP + FP + FN); NaN when reference and prediction are empty. */
  readonly IoU: number;
  /** Voxels, those of the ignore label left out. */
  readonly TP: number;
  readonly FP: number;
  readonly FN: number;
  readonly TN: number;
  readonly n_pred: number;
  readonly n_ref: number;
  /** mm^3. */
  readonly volume_pred: number;
  readonly volume_ref: number;
  /** Normalised surface Dice at the class's tolerance: 0 when exactly one is empty, NaN when both are or surfaces are left out. */
  readonly NSD: number;
  /** 95th percentile of the surface distance, larger of both directions, mm: Infinity when exactly one is empty, else as `NSD`. */
  readonly HD95: number;
  /** Average symmetric surface distance, weighted by area, mm: as `HD95`. */
  readonly ASSD: number;
}

/** Name of a metric. */
export type MetricName = keyof ClassMetrics;

/** Metrics of a case by class key (`classKey`). */
export type CaseMetrics = Readonly<Record<string, ClassMetrics>>;

/** One evaluated pair of files. */
export interface EvaluatedCase {
  readonly id: string;
  readonly reference_file: string;
  readonly prediction_file: string;
  /** mm along z, y, x of the reference file. */
  readonly spacing: Dims3;
  readonly metrics: CaseMetrics;
}

/** Mean metrics of a class over cases. */
export interface MeanMetrics extends ClassMetrics {
  /** Cases in which exactly one of reference and prediction is empty: their distances are infinite and not in the means. */
  readonly n_infinite: number;
  /** Cases in which the class exists (in reference or prediction): those behind the mean of Dice. */
  readonly n_cases: number;
}

/** Evaluation of a set of predictions: nnU-Net's summary.json with additions. */
export interface EvaluationSummary {
  /** Plain mean of the class means, classes that are defined nowhere left out. */
  readonly foreground_mean: ClassMetrics;
  /** Mean over cases by class key, undefined values left out. */
  readonly mean: Readonly<Record<string, MeanMetrics>>;
  readonly metric_per_case: readonly EvaluatedCase[];
  /** Class keys in order, with names and the tolerance of NSD in mm. */
  readonly classes: readonly (EvaluatedClass & { readonly key: string; readonly tolerance: number })[];
  readonly ignore_label: number | null;
  /** False when NSD, HD95 and ASSD were left out. */
  readonly surface: boolean;
  /** Remarks on the files, for example predictions without a reference. */
  readonly warnings: readonly string[];
}

/** Key of a class in summary.json, as nnU-Net writes it: `3`, or `(1, 2)` for a region. */
export function classKey(values: readonly number[]): string {
  return values.length === 1 ? String(values[0]) : `(${values.join(", ")})`;
}

/** What to evaluate. */
export interface EvaluateFolderOptions {
  /** Folder of predicted label maps. */
  readonly predictions: string;
  /** Folder of reference label maps; a pair has the same name without its image ending. */
  readonly labels: string;
  readonly classes: readonly EvaluatedClass[];
  /** Label value of voxels that count nowhere. */
  readonly ignore?: number | null;
  /** Tolerance of NSD in mm: one for all classes, or one for each; 1 when left out. */
  readonly tolerances?: number | readonly number[];
  /** False leaves out NSD, HD95 and ASSD; true when left out. */
  readonly surface?: boolean;
  /** Evaluates these cases only (names without image ending); all references when left out. */
  readonly cases?: readonly string[];
  /** Leaves out references without a prediction instead of refusing them. */
  readonly allowMissing?: boolean;
  /** Threads; 0 works on the calling thread; as many as processors when left out. */
  readonly workers?: number;
  readonly onProgress?: (done: number, total: number, id: string) => void;
  readonly signal?: AbortSignal;
}
