/**
 * Spark3D: self-supervised pre-training of Residual Encoder U-Nets on 3D MRI, and fine-tuning them for segmentation, on any GPU
 * that WebGPU reaches.
 *
 * The names that a program needs to read volumes, configure a run, and build and run its own GPU programs. Each folder's
 * `mod.ts` has the rest. Nothing here touches files or the GPU when it is imported.
 *
 * @module
 */

// Volumes and prepared data
export { readImage, readImageHeader } from "./data/formats/mod.ts";
export { writeNifti } from "./data/formats/nifti/write_nifti.ts";
export { makeVolume, type Volume } from "./data/volume.ts";
export { axisCodes, reorient } from "./data/orientation.ts";
export { type Filters, loadFilters } from "./data/filters/mod.ts";
export {
  mergeParts,
  type Part,
  prepareDataset,
  type PreparedDataset,
  type PrepareOptions,
} from "./data/prepare/mod.ts";
export { type DatasetStore, openStore } from "./data/store.ts";
export { collectReport, type ReportNumbers, writeReport } from "./data/report/mod.ts";
export { generatePhantom, type Phantom, writePhantomCohort } from "./data/phantom/mod.ts";
export { DataError } from "./data/errors.ts";

// Runs: configuration, masks, schedules, events
export { type RunConfig, runConfigSchema, runSchedule } from "./train/config.ts";
export { runPresets } from "./train/presets.ts";
export { ConfigError } from "./train/config_layers.ts";
export { resolveRunConfig, runConfigJsonSchema } from "./train/resolve_config.ts";
export { type BlockMask, sampleBlockMask } from "./train/mask.ts";
export { learningRate, type Schedule } from "./train/schedule.ts";
export type { TrainEvent } from "./train/events.ts";
export { pretrain, PretrainError, type PretrainRequest } from "./train/pretrain.ts";
export type { RunSummary } from "./train/run_folder.ts";

// Fine-tuning, prediction, evaluation
export { readDataset } from "./data/nnunet/dataset.ts";
export { planLabelled } from "./data/nnunet/plan_labelled.ts";
export { type ConfigurationPlan, type Plans, readPlans } from "./data/nnunet/plans.ts";
export { prepareLabelled } from "./data/labelled/mod.ts";
export { type FinetuneConfig } from "./train/finetune/config.ts";
export { resolveFinetuneConfig } from "./train/finetune/resolve_config.ts";
export { transferWeights } from "./train/finetune/transfer.ts";
export { finetune, FinetuneError, type FinetuneRequest } from "./train/finetune/finetune.ts";
export { type FinetunedModel, readFinetuned } from "./train/finetune/checkpoint.ts";
export { predictCases } from "./train/predict/predict_cases.ts";
export { caseMetrics, evaluateFolder, writeSummary } from "./evaluate/mod.ts";

// Weights from and to other programs
export {
  exportModel,
  type ExportRequest,
  importModel,
  type ModelFile,
  readModel,
} from "./train/interop/mod.ts";

// GPU programs: graph, gradient, plan, execution
export { Graph, Scope, type Value } from "./kernels/graph/graph.ts";
export { differentiate } from "./kernels/graph/gradient.ts";
export { compile } from "./kernels/graph/plan.ts";
export { verifyPlan } from "./kernels/graph/verify.ts";
export { type Gpu, openGpu } from "./kernels/runtime/device.ts";
export { Executor } from "./kernels/runtime/executor.ts";
export { type OpDef, type Plan, tensor, type TensorSpec } from "./kernels/spec.ts";
export { leakyRelu } from "./kernels/ops/leaky_relu/op.ts";
export { conv3d } from "./kernels/ops/conv3d/op.ts";
export { DeviceError, LimitError, PlanError, ShapeError } from "./kernels/errors.ts";
