/** Procedural heads with voxel labels, for demonstrations, tests and method development without patient data. */
export { type PhantomCohortRequest, writePhantomCohort } from "./cohort.ts";
export { PHANTOM_CONTRASTS, type PhantomContrast } from "./contrast.ts";
export { PHANTOM_LABELS, type PhantomLabel } from "./labels.ts";
export {
  PHANTOM_TASKS,
  type PhantomDatasetRequest,
  type PhantomTask,
  writePhantomDataset,
} from "./labelled_dataset.ts";
export { generatePhantom, type LabelVolume, type Phantom, type PhantomRequest } from "./phantom.ts";
