import type { Dims3 } from "../volume.ts";

/** What to load of a labelled store and how far ahead. */
export interface LabelledLoaderOptions {
  /** Folder of the store. */
  readonly store: string;
  /** Ids of the cases to draw from, each equally often, with replacement. */
  readonly cases: readonly string[];
  /** Seed of the run. */
  readonly seed: number;
  /** Separates sequences of one seed, such as validation (1) from training (0); 0 when left out. */
  readonly stream?: number;
  /** First step; 0 when left out. A resumed run passes the step it continues with. */
  readonly startStep?: number;
  /** Number of steps; endless when left out. */
  readonly steps?: number;
  /** Samples per step. */
  readonly batchSize: number;
  /** Voxels read per sample, along the array axes. */
  readonly cropSize: Dims3;
  /** Voxels that remain after augmentation; it widens the range of positions. `cropSize` when left out. */
  readonly finalSize?: Dims3;
  /** Part of a batch, its last elements, that is centred on a foreground voxel; 0.33 when left out. */
  readonly oversample?: number;
  /** Threads; 2 when left out, 0 reads on the calling thread. */
  readonly workers?: number;
  /** Steps read ahead; 2 when left out. Bounds memory to `prefetch * batchSize` crops. */
  readonly prefetch?: number;
}

/** One loaded crop of a case. */
export interface LoadedCrop {
  readonly step: number;
  /** Index within the step's batch. */
  readonly sampleIndex: number;
  readonly caseId: string;
  /** First voxel of the crop along the array axes; negative where the crop begins outside the case. */
  readonly start: Dims3;
  /** `[C, ...cropSize]`, normalised, 0 outside the case. */
  readonly image: Float32Array<ArrayBuffer>;
  /** `[...cropSize]`, -1 outside the non-zero mask and outside the case. */
  readonly label: Float32Array<ArrayBuffer>;
}

/** Crops in order of step, then of index in the batch; leaving the loop, `close` or `using` ends the workers. */
export interface CropLoader extends AsyncIterable<LoadedCrop>, Disposable {
  /** Samples that are read and wait to be handed out: 0 means that the next reader will wait. */
  readonly ready: number;
  /** Ends the workers; a waiting reader sees the end of the sequence. */
  close(): void;
}

/**
 * Loads crops of a labelled store on worker threads. A crop is a function of the store, cases, sizes, seed, stream, step and index in
 * the batch, never of the number of workers or of timing.
 *
 * @throws {DataError} at once when the store is missing or a case unknown; while iterating when an array is missing or damaged
 * @throws {RangeError} without cases, for sizes or counts that are not positive integers, or a crop smaller than the patch
 */
export function createLabelledLoader(_options: LabelledLoaderOptions): CropLoader {
  throw new Error("Cannot load crops: in work");
}
