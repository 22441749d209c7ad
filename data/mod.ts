/**
 * Reading, preparing and sampling of 3-D images: NIfTI files, data sets, the store that training reads, and keyed random streams.
 *
 * @module
 */
export { createLoader, type LoaderOptions, type PatchLoader } from "./loader.ts";
export { cropToNonzero, fillHoles, nonzeroBox, nonzeroMask } from "./crop.ts";
export { DataError, type DataErrorFields } from "./errors.ts";
export { discover, type DiscoverOptions } from "./discovery/mod.ts";
export { type DatasetFingerprint, medianSpacing } from "./fingerprint.ts";
export { drawPatch, getPatchSize, type PatchPosition, type SampleKey, startRange } from "./sampler.ts";
export { hashRandom, restoreRandom, type Rng, type RngState } from "./random.ts";
export { type LoadedPatch, SampleReader, type SampleSource } from "./load_sample.ts";
export type { LoadingOptions, SampleLoader } from "./sample_loader.ts";
export type { Sampling } from "./sampling.ts";
export {
  type Affine,
  applyAffine,
  diagonalAffine,
  type Dims3,
  makeVolume,
  type Vec3,
  type Volume,
  voxelCount,
} from "./volume.ts";
export {
  type ImageFormat,
  type ImageHeader,
  readImage,
  readImageHeader,
  type ReadImageOptions,
} from "./formats/mod.ts";
export type { NiftiDatatype, NiftiGeometry } from "./formats/nifti/header.ts";
export { writeLabelMap } from "./formats/nifti/write_label_map.ts";
export { writeNifti, type WriteNiftiOptions } from "./formats/nifti/write_nifti.ts";
export { axisCodes, reorient } from "./orientation.ts";
export { findNonFinite } from "./find_non_finite.ts";
export {
  type ChannelNormalization,
  type IntensityStatistics,
  intensityStatistics,
  normalizeChannel,
  rescaleTo01,
  zScore,
} from "./normalize.ts";
export {
  caseAffine,
  type CaseConfiguration,
  type CaseGeometry,
  type CasePlans,
  createLabelledLoader,
  type CropLoader,
  type LabelArray,
  type LabelledBox,
  type LabelledCase,
  type LabelledIndex,
  type LabelledLoaderOptions,
  type LabelledProgress,
  LabelledStore,
  labelledStorePath,
  type LoadedCrop,
  openLabelledStore,
  type PreparedLabelled,
  prepareLabelled,
  type PrepareLabelledOptions,
  preprocessCase,
  type PreprocessCaseOptions,
  type PreprocessedCase,
  restoreToFile,
  type StoredClass,
  type StoredFile,
} from "./labelled/mod.ts";
export { type ConfigurationName, type DatasetPlan, planDataset } from "./plan.ts";
export {
  mergeParts,
  type OpenResampler,
  parsePart,
  type Part,
  prepareDataset,
  type PreparedDataset,
  type PrepareOptions,
  type PrepareProgress,
  serveImages,
} from "./prepare/mod.ts";
export { FILTER_PRESETS, type Filters, filtersSchema, loadFilters, parseFilters } from "./filters/mod.ts";
export { type PreprocessedImage, preprocessFile, type PreprocessOptions } from "./preprocess.ts";
export { type ImageMasks, type ImageResampler, preprocessArray } from "./preprocess_array.ts";
export {
  type PretrainData,
  pretrainDataSchema,
  pretrainEntries,
  type PretrainEntry,
  type PretrainImage,
  readPretrainData,
  writePretrainData,
} from "./pretrain_data.ts";
export {
  type CollectedReport,
  type CollectOptions,
  collectReport,
  type ReportNumbers,
  type ReportOptions,
  writeReport,
  type WrittenReport,
} from "./report/mod.ts";
export {
  type ArchitectureArguments,
  type ArchitecturePlan,
  type CaseSplit,
  configurationOf,
  type ConfigurationPlan,
  crossValidationSplits,
  type DatasetCase,
  DatasetError,
  examineDataset,
  type ExaminedDataset,
  type ExamineOptions,
  type ExperimentDemand,
  foldOf,
  type ForegroundClass,
  type IntensityProperties,
  type LabelledDataset,
  type LabelledFingerprint,
  type LabelSet,
  type NormalizationScheme,
  parseLabels,
  planExperiment,
  planLabelled,
  type PlanLabelledOptions,
  type PlannedDataset,
  type PlannerName,
  PLANNERS,
  type Plans,
  readDataset,
  readFingerprint,
  readPlans,
  readSplits,
  writeFingerprint,
  writePlans,
  writeSplits,
} from "./nnunet/mod.ts";
export { resampledShape, resampleImage, type ResampleOptions, separateZ } from "./resample.ts";
export { resampleLabels } from "./resample_labels.ts";
export { splitSubjects, type SubjectSplit, validationCount } from "./split.ts";
export { DatasetStore, openStore, type Subset } from "./store.ts";
export {
  type RejectedImage,
  type StoredMask,
  type StoredMasks,
  type StoreIndex,
  type StoreVolume,
} from "./store_index.ts";
export { type StoreProblem, type VerifyOptions, type VerifyProgress, verifyStore } from "./verify_store.ts";
export {
  type ArrayData,
  type ArrayType,
  type Compression,
  type LabelType,
  type StoredArray,
  type StoredType,
  writeZarrArray,
  type WriteZarrOptions,
  ZarrArray,
  type ZarrAttributes,
  type ZarrMetadata,
} from "./zarr/mod.ts";
