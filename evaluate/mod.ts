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
