import { ArrayCache } from "./array_cache.ts";
import { DataError } from "./errors.ts";
import { readStoreIndex, STORE_FILE, type StoreIndex, type StoreVolume } from "./store_index.ts";
import type { Dims3 } from "./volume.ts";
import type { ZarrArray } from "./zarr/mod.ts";

/** Side of the split. */
export type Subset = "train" | "val";

/** A prepared data set on disk, opened for reading boxes. */
export class DatasetStore implements Disposable {
  readonly path: string;
  readonly index: StoreIndex;
  readonly #arrays: ArrayCache;

  constructor(path: string, index: StoreIndex) {
    this.path = path;
    this.index = index;
    this.#arrays = new ArrayCache(path);
  }

  /** All prepared volumes. */
  get volumes(): readonly StoreVolume[] {
    return this.index.volumes;
  }

  /** Volumes whose subject is on one side of the split, in the order of the index. */
  subset(subset: Subset): readonly StoreVolume[] {
    const subjects = new Set(this.index.split[subset]);
    return this.index.volumes.filter((volume) => subjects.has(volume.subject));
  }

  /**
   * Reads a box of one volume; what lies outside the volume is 0 (the mean, after z-scoring).
   *
   * @param start first voxel along z, y, x; may be negative
   * @returns `[size]`, z-scored float32
   * @throws {DataError} when the array is missing or damaged
   */
  readBox(volume: StoreVolume, start: Dims3, size: Dims3): Float32Array {
    return this.array(volume).readBox(start, size);
  }

  /** Reads a whole volume, `[D, H, W]`. @throws {DataError} as `readBox` */
  readVolume(volume: StoreVolume): Float32Array {
    return this.readBox(volume, [0, 0, 0], volume.shape);
  }

  /** The array of one volume, with its attributes (affine, statistics, source geometry). @throws {DataError} as `readBox` */
  array(volume: StoreVolume): ZarrArray {
    return this.#arrays.get(volume.path);
  }

  /** Closes all files; the store opens them again when needed. */
  close(): void {
    this.#arrays.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a store made by `prepareDataset`.
 *
 * @param path folder that holds store.json
 * @throws {DataError} when there is none, it is damaged, or it holds no volume
 */
export function openStore(path: string): DatasetStore {
  const file = `${path}/${STORE_FILE}`;
  const index = readStoreIndex(path);
  if (index.volumes.length === 0) {
    const found = `no usable volume (${index.rejected.length} rejected)`;
    throw new DataError({ file, found, wanted: "at least one", remedy: "see its list of rejected images" });
  }
  return new DatasetStore(path, index);
}
