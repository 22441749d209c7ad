import type { DataErrorFields } from "../errors.ts";
import type { ImageMasks } from "../preprocess_array.ts";
import type { PreprocessOptions } from "../preprocess.ts";
import type { StoreVolume } from "../store_index.ts";
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
export interface ImageTask {
  readonly id: string;
  readonly subject: string;
  readonly modality: string;
  readonly file: string;
  readonly volume?: number;
  readonly masks?: ImageMasks<string>;
  /** Path of the array below the store. */
  readonly path: string;
  /** What the array is made from; an array with an equal stamp need not be made again. */
  readonly stamp: string;
  /** Most memory it is expected to take, bytes. */
  readonly memoryBytes: number;
}

/** How an image ended: in the store, or left out. */
export type ImageResult =
  | { readonly type: "prepared"; readonly volume: StoreVolume; readonly ms: number }
  | { readonly type: "rejected"; readonly fields: DataErrorFields; readonly ms: number };

/** Messages to a worker: settings once, images one at a time, and the end. */
export type WorkerRequest =
  | { readonly type: "open"; readonly settings: ImageSettings }
  | { readonly type: "image"; readonly task: ImageTask }
  | { readonly type: "close" };

/** Messages from a worker. `failed` ends the run: a full disk (`fields`), or a fault of the program (`message`). */
export type WorkerReply =
  | ImageResult
  | { readonly type: "failed"; readonly fields?: DataErrorFields; readonly message: string }
  | { readonly type: "closed" };
