/** Fine-tuning: configurations, plans made from checkpoints, weight transfer, schedules, training. */
export {
  augmentPatch,
  type Patch,
  type PatchOptions,
  type PatchSource,
  plainPatch,
} from "./augment_graph.ts";
export {
  augmentationCropSize,
  type FinetuneAugmentation,
  finetuneAugmentationSchema,
  isSliced,
} from "./augmentation_config.ts";
export { type FinetunedModel, readFinetuned } from "./checkpoint.ts";
export { type FinetuneConfig, finetuneConfigSchema, finetuneNetwork } from "./config.ts";
export { finetune, FinetuneError, type FinetuneRequest } from "./finetune.ts";
export { networkFromPlan } from "./network_from_plan.ts";
export {
  adaptPlans,
  type PlanMode,
  PlanModeError,
  type PlanModeOptions,
  planModes,
  type PretrainedCheckpoint,
  readPretrained,
} from "./plan_modes.ts";
export { finetunePresets, type FinetuneStart } from "./presets.ts";
export {
  finetuneConfigJsonSchema,
  type FinetuneLayers,
  type PlannedRun,
  resolveFinetuneConfig,
} from "./resolve_config.ts";
export { type FinetunePaths, finetunePaths, type FinetuneSummary } from "./run_folder.ts";
export { type FinetuneAugmentationRequest, sampleFinetuneAugmentation } from "./sample_augmentation.ts";
export { finetuneLr, type FinetuneStage, finetuneStages, isTrainable, type TrainableSet } from "./stages.ts";
export {
  type Transfer,
  TransferError,
  type TransferReport,
  type TransferRequest,
  transferWeights,
} from "./transfer.ts";
