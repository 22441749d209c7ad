/**
 * Labelled data sets in the layout of nnU-Net v2: check, fingerprint, plans and folds.
 *
 * @module
 */
export { type DatasetCase, type LabelledDataset, readDataset } from "./dataset.ts";
export { DatasetError } from "./dataset_error.ts";
export { examineDataset, type ExaminedDataset, type ExamineOptions } from "./examine_dataset.ts";
export { type LabelledFingerprint, readFingerprint, writeFingerprint } from "./fingerprint.ts";
export { type ForegroundClass, type LabelSet, parseLabels } from "./labels.ts";
export { planLabelled, type PlanLabelledOptions, type PlannedDataset } from "./plan_labelled.ts";
export { type ExperimentDemand, planExperiment } from "./planner/plan_experiment.ts";
export { type PlannerName, PLANNERS } from "./planner/planners.ts";
export {
  type ArchitectureArguments,
  type ArchitecturePlan,
  configurationOf,
  type ConfigurationPlan,
  type IntensityProperties,
  type NormalizationScheme,
  type Plans,
  readPlans,
  writePlans,
} from "./plans.ts";
export { type CaseSplit, crossValidationSplits, foldOf, readSplits, writeSplits } from "./splits.ts";
