import type { Filters } from "../filters/mod.ts";
import type { ConfigurationName, DatasetPlan } from "../plan.ts";
import type { StoreIndex } from "../store_index.ts";
import type { Compression, StoredType } from "../zarr/mod.ts";
import type { Part } from "./part.ts";

/** What became of one image. */
export interface PrepareProgress {
  /** Images finished so far, this one included. */
  readonly done: number;
  readonly total: number;
  readonly id: string;
  readonly status: "prepared" | "reused" | "rejected";
  /** Name of the check or filter, when rejected. */
  readonly rule?: string;
  /** Why, when rejected. */
  readonly reason?: string;
  /** Time for this image on its thread; 0 when nothing was computed. */
  readonly ms: number;
}

/** What to prepare, and how. */
export interface PrepareOptions {
  /** A BIDS tree, a folder of images, a CSV list, or a pretrain_data.json. */
  readonly source: string;
  /** Folder of the store; created when missing, continued when it is there. */
  readonly out: string;
  /** "onemmiso" (1 mm isotropic) when left out. */
  readonly configuration?: ConfigurationName;
  /** Axis codes that images are reoriented to, "RAS" when left out; null keeps the axes of each file. */
  readonly orientation?: string | null;
  /** Stored element type; float16 when left out. */
  readonly dtype?: StoredType;
  /** "none" when left out. */
  readonly compression?: Compression;
  /** Name of the collection; the folder's name when left out. */
  readonly name?: string;
  /** Which images to keep; all when left out. */
  readonly filters?: Filters;
  /** Largest decompressed file and largest prepared array in bytes; 4 GiB when left out. */
  readonly maxBytes?: number;
  readonly splitSeed?: number;
  /** Threads; one per core when left out, 0 computes on the calling thread. */
  readonly workers?: number;
  /** Bytes that the images in work may take together; three quarters of the machine's memory when left out. */
  readonly memoryBytes?: number;
  /** Prepare only this part of the images, and leave store.json to `mergeParts`. */
  readonly part?: Part;
  /** Module of the worker threads, one that calls `serveImages` with a resampler of its own; the built-in one when left out. */
  readonly workerUrl?: URL;
  /** Called while headers are read: how many files were looked at. */
  readonly onSurvey?: (done: number, total: number) => void;
  readonly onProgress?: (progress: PrepareProgress) => void;
  /** Stops after the images in work with the signal's reason; finished images stay for the next run. */
  readonly signal?: AbortSignal;
}

/** A finished store, or a finished part of one. */
export interface PreparedDataset {
  readonly path: string;
  /** Content of store.json; of a part, its own volumes and rejections with an empty split, which no file holds. */
  readonly index: StoreIndex;
  readonly plan: DatasetPlan;
  readonly prepared: number;
  readonly reused: number;
  /** Rejected images by the check or filter that left them out. */
  readonly rejectedByRule: Readonly<Record<string, number>>;
  /** Remarks for the user, for example that one subject serves both training and validation. */
  readonly warnings: readonly string[];
}
