import type { DataErrorFields } from "../errors.ts";
import type { ImageMasks } from "../preprocess_array.ts";
import type { PreprocessOptions } from "../preprocess.ts";
import type { StoreVolume } from "../store_index.ts";
import type { PoolTask } from "../task_pool.ts";
import type { Compression, StoredType } from "../zarr/mod.ts";

/** What all images of a run share; plain values, posted to every worker once. */
export interface ImageSettings {
  /** Folder of the store. */
  readonly out: string;
  readonly preprocess: Omit<PreprocessOptions, "masks" | "volume" | "resampler">;
  readonly dtype: StoredType;
  readonly compression: Compression;
}

/** One image to prepare; plain values, posted to a worker. */
export interface ImageTask extends PoolTask {
  readonly id: string;
  readonly subject: string;
  readonly modality: string;
  readonly volume?: number;
  readonly masks?: ImageMasks<string>;
  /** Path of the array below the store. */
  readonly path: string;
  /** What the array is made from; an array with an equal stamp need not be made again. */
  readonly stamp: string;
}

/** How an image ended: in the store, or left out. */
export type ImageResult =
  | { readonly type: "prepared"; readonly volume: StoreVolume; readonly ms: number }
  | { readonly type: "rejected"; readonly fields: DataErrorFields; readonly ms: number };
