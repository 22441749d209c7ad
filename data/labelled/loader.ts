import { type LoadingOptions, loadSamples, requireCounts, type SampleLoader } from "../sample_loader.ts";
import type { Dims3 } from "../volume.ts";
import { CropPlanner, CropReader, type CropSource, type LoadedCrop } from "./load_crop.ts";

export type { LoadedCrop } from "./load_crop.ts";

/** What to load of a labelled store and how far ahead. */
export interface LabelledLoaderOptions extends LoadingOptions {
  /** Folder of the store. */
  readonly store: string;
  /** Ids of the cases to draw from, each equally often, with replacement. */
  readonly cases: readonly string[];
  /** Seed of the run. */
  readonly seed: number;
  /** Separates sequences of one seed, such as validation (1) from training (0); 0 when left out. */
  readonly stream?: number;
  /** Voxels read per sample, along the array axes. */
  readonly cropSize: Dims3;
  /** Voxels that remain after augmentation; it widens the range of positions. `cropSize` when left out. */
  readonly finalSize?: Dims3;
  /** Part of a batch, its last elements, that is centred on a foreground voxel; 0.33 when left out. */
  readonly oversample?: number;
}

/** Crops of a labelled store, in order. */
export type CropLoader = SampleLoader<LoadedCrop>;

/**
 * Loads crops of a labelled store on worker threads. A crop is a function of the store, cases, sizes, seed, stream, step and index in
 * the batch, never of the number of workers or of timing. Drawn as `CropPlanner` says.
 *
 * @throws {DataError} at once when the store is missing or a case unknown; while iterating when an array is missing or damaged
 * @throws {RangeError} without cases, for sizes or counts that are not positive integers, or a crop smaller than the patch
 */
export function createLabelledLoader(options: LabelledLoaderOptions): CropLoader {
  const { store, cases, seed, stream = 0, cropSize, finalSize = cropSize, batchSize, oversample = 0.33 } =
    options;
  requireCounts([...cropSize, ...finalSize, batchSize], 1);
  const source: CropSource = { store, cropSize, finalSize };
  const planner = new CropPlanner({ ...source, cases, seed, stream, batchSize, oversample });
  return loadSamples({
    source: { kind: "crop", ...source },
    plan: (step, sampleIndex) => planner.plan(step, sampleIndex),
    open: () => new CropReader(source),
  }, options);
}
