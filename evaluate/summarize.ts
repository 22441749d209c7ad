import { nanMean } from "./mean.ts";
import {
  type CaseMetrics,
  type ClassMetrics,
  type EvaluatedCase,
  type EvaluationSummary,
  type MeanMetrics,
  type MetricName,
} from "./types.ts";

/** Metrics in the order in which files list them. */
export const METRIC_NAMES = [
  "Dice",
  "IoU",
  "NSD",
  "HD95",
  "ASSD",
  "TP",
  "FP",
  "FN",
  "TN",
  "n_pred",
  "n_ref",
  "volume_pred",
  "volume_ref",
] as const satisfies readonly MetricName[];

/**
 * Mean metrics of one class over cases: undefined values (NaN) and infinite distances are left out, and the latter are counted.
 *
 * Rule for NaN: nnU-Net's `compute_metrics_on_folder`.
 */
export function meanOverCases(cases: readonly ClassMetrics[]): MeanMetrics {
  const defined = cases.filter(({ TP, FP, FN }) => TP + FP + FN > 0);
  return {
    ...meanOf(cases),
    n_infinite: defined.filter(({ n_pred, n_ref }) => n_pred === 0 || n_ref === 0).length,
    n_cases: defined.length,
  };
}

/** Plain mean of class means; classes whose mean is undefined are left out. */
export function foregroundMean(means: readonly ClassMetrics[]): ClassMetrics {
  return meanOf(means);
}

function meanOf(items: readonly ClassMetrics[]): ClassMetrics {
  const mean = (name: MetricName) => nanMean(items.map((item) => item[name]).filter((x) => x !== Infinity));
  return Object.fromEntries(METRIC_NAMES.map((name) => [name, mean(name)])) as unknown as ClassMetrics;
}

/** Score of one case: the mean of a metric over its classes, undefined ones left out. */
export function caseScore(metrics: CaseMetrics, name: MetricName = "Dice"): number {
  return nanMean(Object.values(metrics).map((item) => item[name]));
}

/** Puts the metrics of cases together with their means. */
export function summarize(
  cases: readonly EvaluatedCase[],
  about: Pick<EvaluationSummary, "classes" | "ignore_label" | "surface" | "warnings">,
): EvaluationSummary {
  const mean = Object.fromEntries(
    about.classes.map(({ key }) => [key, meanOverCases(cases.map(({ metrics }) => metrics[key]))]),
  );
  return {
    foreground_mean: foregroundMean(Object.values(mean)),
    mean,
    metric_per_case: cases,
    ...about,
  };
}

/** Pools evaluations of disjoint cases with the same classes, such as the validation folds of a cross-validation. @throws {RangeError} when classes differ or a case occurs twice */
export function poolSummaries(summaries: readonly EvaluationSummary[]): EvaluationSummary {
  const [first] = summaries;
  const cases = summaries.flatMap(({ metric_per_case }) => metric_per_case);
  const ids = new Set(cases.map(({ id }) => id));
  const same = (a: EvaluationSummary) => JSON.stringify([a.classes, a.ignore_label, a.surface]);
  if (summaries.length === 0 || summaries.some((item) => same(item) !== same(first))) {
    throw new RangeError(
      `Cannot pool ${summaries.length} evaluations: found different classes, tolerances or ignore labels, wanted equal ones: ` +
        "evaluate all folds with the same settings",
    );
  }
  if (ids.size < cases.length) {
    throw new RangeError(
      `Cannot pool evaluations: found ${
        cases.length - ids.size
      } cases twice, wanted each once: pool disjoint folds`,
    );
  }
  const { classes, ignore_label, surface } = first;
  return summarize(cases, {
    classes,
    ignore_label,
    surface,
    warnings: summaries.flatMap(({ warnings }) => warnings),
  });
}
