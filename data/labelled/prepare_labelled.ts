import type { LabelledDataset } from "../nnunet/dataset.ts";
import type { ConfigurationPlan, Plans } from "../nnunet/plans.ts";
import type { LabelledIndex } from "./store.ts";

/** What became of one case. */
export interface LabelledProgress {
  /** Cases finished so far, this one included. */
  readonly done: number;
  readonly total: number;
  readonly id: string;
  readonly status: "prepared" | "reused";
  /** Time for this case on its thread; 0 when nothing was computed. */
  readonly ms: number;
}

/** What to prepare, and how. */
export interface PrepareLabelledOptions {
  readonly dataset: LabelledDataset;
  readonly plans: Plans;
  /** Name of a configuration of the plans, such as "3d_fullres". */
  readonly configuration: string;
  /** Folder of the store itself, see `labelledStorePath`; created when missing, continued when it is there. */
  readonly out: string;
  /** Threads; one per core when left out, 0 computes on the calling thread. */
  readonly workers?: number;
  /** Bytes that the cases in work may take together; three quarters of the machine's memory when left out. */
  readonly memoryBytes?: number;
  readonly onProgress?: (progress: LabelledProgress) => void;
  /** Stops after the cases in work with the signal's reason; finished cases stay for the next run. */
  readonly signal?: AbortSignal;
}

/** A finished labelled store. */
export interface PreparedLabelled {
  /** Folder of the store. */
  readonly path: string;
  readonly index: LabelledIndex;
  readonly prepared: number;
  readonly reused: number;
}

/** Where the store of a configuration lies in a data set's prepared folder: `<prepared>/<data_identifier>`. */
export function labelledStorePath(prepared: string, configuration: ConfigurationPlan): string {
  return `${prepared}/${configuration.data_identifier}`;
}

/**
 * Prepares all cases of a data set by a plan, on worker threads: one Zarr array a channel, one for the labels, and the drawn voxels of
 * every class. A case that an earlier run finished from the same files with the same settings is not done again; the index is written
 * when all cases are there.
 *
 * @throws {DataError} for the first case that cannot be used (none is left out), or when the store cannot be written
 */
export function prepareLabelled(_options: PrepareLabelledOptions): Promise<PreparedLabelled> {
  throw new Error("Cannot prepare a labelled data set: in work");
}
