/**
 * Evaluation of segmentations: overlap and surface metrics, ranks, statistics, post-processing, reports.
 *
 * @module
 */
export {
  type CaseMetrics,
  classKey,
  type ClassMetrics,
  type EvaluatedCase,
  type EvaluatedClass,
  type EvaluateFolderOptions,
  type EvaluationSummary,
  type MeanMetrics,
  type MetricName,
} from "./types.ts";
export { caseMetrics, type CaseMetricsOptions } from "./case_metrics.ts";
export { DEFAULT_TOLERANCE, evaluateFolder } from "./evaluate_folder.ts";
export { type LabelMap, labelValues, readLabelMap } from "./label_map.ts";
export { caseScore, METRIC_NAMES, poolSummaries, summarize } from "./summarize.ts";
export { metricsCsv, readSummary, writeMetricsCsv, writeSummary } from "./summary_file.ts";
