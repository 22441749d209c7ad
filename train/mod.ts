/** Pre-training and fine-tuning: configurations, masks, schedules, the training loop, checkpoints, events. */
export {
  type AdaptationPlan,
  adaptationPlan,
  type PretrainPlan,
  readPretrainPlan,
} from "./adaptation_plan.ts";
export { architecturePlan } from "./architecture_plan.ts";
export * from "./finetune/mod.ts";
export { sampleAugmentation } from "./augmentation.ts";
export { BaselineError, type BaselineLosses, TrivialBaselines } from "./baselines.ts";
export { loadCheckpoint, type Progress, saveCheckpoint } from "./checkpoint.ts";
export { CheckpointError } from "./checkpoint_state.ts";
export { ConfigError, type ConfigIssue } from "./config_layers.ts";
export { type RunConfig, runConfigSchema, runSchedule } from "./config.ts";
export {
  type MetricRow,
  type StopReason,
  type TrainEvent,
  type TrainEventListener,
  type ValidationResult,
} from "./events.ts";
export type { StepMetrics } from "./metrics_ring.ts";
export { DivergedError } from "./divergence.ts";
export { runTraining, type TrainingRequest } from "./loop.ts";
export * from "./interop/mod.ts";
export { gpuResampler, type GpuResamplerOptions } from "./gpu_resampler.ts";
export { type BlockMask, expandMask, MaskError, sampleBlockMask, sampleRatio } from "./mask.ts";
export type { MemoryPlan, SlotTenant } from "./memory_plan.ts";
export { addOptimizer, type OptimizerNodes, type OptimizerRequest } from "./optimizer.ts";
export { type ReconstructionPicture, reconstructionPicture } from "./picture.ts";
export { describePlan, describePlanFor, type PlanDescription } from "./plan_report.ts";
export * from "./predict/mod.ts";
export { runPresets } from "./presets.ts";
export { pretrain, PretrainError, type PretrainRequest } from "./pretrain.ts";
export { resolveRunConfig, runConfigJsonSchema } from "./resolve_config.ts";
export { type RunPaths, runPaths, type RunSummary } from "./run_folder.ts";
export { RunLog, RunLogError } from "./run_log.ts";
export { learningRate, type Schedule, ScheduleError } from "./schedule.ts";
export { PretrainSession } from "./session.ts";
export { buildPretrainGraph, type PretrainGraph } from "./step.ts";
export { Validation } from "./validation.ts";
