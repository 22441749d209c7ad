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
export { describeResamples, drawCases, type ResampledValue } from "./ranking/bootstrap.ts";
export { rank, type RankOptions } from "./ranking/rank.ts";
export {
  type DatasetScores,
  type RankDistribution,
  type RankedDataset,
  type RankStability,
  rankStability,
  type RankStabilityOptions,
} from "./ranking/rank_stability.ts";
export { aggregateThenRank, rankThenAggregate, type ScoreTable } from "./ranking/score_table.ts";
export {
  type BootstrapInterval,
  bootstrapInterval,
  type BootstrapOptions,
  nestedBootstrapInterval,
} from "./statistics/bootstrap_interval.ts";
export { compareMethods, type MethodComparison } from "./statistics/compare_methods.ts";
export { holm } from "./statistics/holm.ts";
export { kendallTau } from "./statistics/kendall_tau.ts";
export { permutationTest } from "./statistics/permutation.ts";
export { type PairedTest, wilcoxonSignedRank } from "./statistics/wilcoxon.ts";
export {
  findPostprocessing,
  type FindPostprocessingOptions,
  type FoundPostprocessing,
  type TriedStep,
} from "./postprocess/find_postprocessing.ts";
export {
  postprocessFolder,
  type PostprocessFolderOptions,
  readPostprocessing,
  writePostprocessing,
} from "./postprocess/postprocess_folder.ts";
export { applySteps, type PostprocessStep } from "./postprocess/steps.ts";
export {
  type BaselineComparison,
  type MethodNumbers,
  methodNumbers,
  type MethodReportOptions,
} from "./report/method_numbers.ts";
export { writeMethodReport, type WrittenMethodReport } from "./report/write_method_report.ts";
export { COMPARED_METRICS, type ComparedMetric, summaryScores } from "./report/summary_scores.ts";
export { type Curve, learningCurve, type LearningCurveOptions } from "./report/learning_curve.ts";
export { type Figure, figureFile as svgFile } from "../data/report/figure.ts";
