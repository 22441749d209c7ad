import { DataError } from "./errors.ts";
import { type LoadedPatch, PatchReader, SamplePlanner, type SampleSource } from "./load_sample.ts";
import { type LoadingOptions, loadSamples, requireCounts, type SampleLoader } from "./sample_loader.ts";
import { type Sampling, UNIFORM_SAMPLING } from "./sampling.ts";
import type { Subset } from "./store.ts";
import type { Dims3 } from "./volume.ts";

/** What to load and how far ahead. */
export interface LoaderOptions extends LoadingOptions {
  /** Folder of the store. */
  readonly store: string;
  /** Seed of the run. */
  readonly seed: number;
  /** Voxels read per sample, z, y, x. */
  readonly cropSize: Dims3;
  /** Voxels that remain after augmentation; it widens the range of positions. `cropSize` when left out. */
  readonly finalSize?: Dims3;
  /** "train" when left out. */
  readonly subset?: Subset;
  /** Uniform over images and positions when left out. */
  readonly sampling?: Sampling;
}

/** Crops of a prepared data set, in order. */
export type PatchLoader = SampleLoader<LoadedPatch>;

/**
 * Loads crops of a prepared data set on worker threads. The sequence depends on store, seed, sizes, sampling and `startStep` alone,
 * never on the number of workers or on timing. Samples are drawn here, so that only this thread holds the store's index.
 *
 * @throws {DataError} at once when the store is missing or the subset empty; while iterating when an array is missing or damaged
 * @throws {RangeError} for sizes or counts that are not positive integers, or a crop smaller than the patch
 */
export function createLoader(options: LoaderOptions): PatchLoader {
  const { store, seed, cropSize, subset = "train", finalSize = cropSize } = options;
  requireCounts([...cropSize, ...finalSize], 1);
  const sampling = options.sampling ?? UNIFORM_SAMPLING;
  const source: SampleSource = { store, subset, seed, cropSize, finalSize, sampling };
  const planner = new SamplePlanner(source);
  if (planner.volumeCount === 0) {
    const wanted = "at least one subject",
      remedy = "prepare more images, or remove splits_final.json to split again";
    throw new DataError({ file: store, found: `no subject for ${subset}`, wanted, remedy });
  }
  return loadSamples({
    source: { kind: "patch", ...source },
    plan: (step, sampleIndex) => planner.plan(step, sampleIndex),
    open: () => new PatchReader(source),
  }, options);
}
