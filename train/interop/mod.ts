/** Files of weights of other projects: read, described, imported, exported. */
export { exportModel } from "./export_model.ts";
export {
  ExportError,
  type ExportFormat,
  exportFormats,
  type ExportRequest,
  type ExportSummary,
} from "./export_types.ts";
export { describeModel, type ModelDescription, type SkippedKeys } from "./describe_model.ts";
export { type ImportedModel, importModel } from "./import_model.ts";
export { readModel } from "./read_model.ts";
export {
  type ArchitectureSource,
  type ImportSummary,
  type KeyReport,
  type ModelFile,
  ModelFileError,
  type ModelKind,
  type ModelOrigin,
  type ModelTensor,
  type ReadModelOptions,
  type TrainingFacts,
} from "./types.ts";
export { writeModel } from "./write_model.ts";
