/**
 * Labelled cases for segmentation: preprocessing by a plan, the labelled store, and its loader.
 *
 * @module
 */
export { caseAffine, type CaseGeometry, type LabelArray, restoreToFile } from "./case_geometry.ts";
export {
  createLabelledLoader,
  type CropLoader,
  type LabelledLoaderOptions,
  type LoadedCrop,
} from "./loader.ts";
export {
  type LabelledProgress,
  labelledStorePath,
  type PreparedLabelled,
  prepareLabelled,
  type PrepareLabelledOptions,
} from "./prepare_labelled.ts";
export {
  type CaseConfiguration,
  type CasePlans,
  preprocessCase,
  type PreprocessCaseOptions,
  type PreprocessedCase,
} from "./preprocess_case.ts";
export {
  type LabelledBox,
  type LabelledCase,
  type LabelledIndex,
  LabelledStore,
  openLabelledStore,
  type StoredClass,
  type StoredFile,
} from "./store.ts";
