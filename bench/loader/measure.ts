import { createLoader } from "../../data/loader.ts";
import { openStore } from "../../data/store.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";

/** What is read, and for how long. */
export interface LoaderCase {
  /** Folder of the store. */
  readonly store: string;
  /** Edge of the crops that are read, voxels. */
  readonly crop: number;
  /** Edge of the patch that remains of a crop; it sets how far crops reach outside. */
  readonly patch: number;
  readonly workers: number;
  /** Measured time; as much again, at most 2 s, warms up. */
  readonly seconds: number;
}

/** One measurement, as it is printed. */
export interface LoaderRecord {
  readonly bench: "loader";
  readonly dtype: string;
  readonly compression: string;
  readonly crop: number;
  readonly patch: number;
  readonly workers: number;
  readonly volumes: number;
  /** Bytes of all arrays over the bytes of their voxels as they are, uncompressed. */
  readonly storedShare: number;
  readonly crops: number;
  readonly cropsPerSecond: number;
  /** float32 voxels handed out, zeros outside the volume included. */
  readonly megabytesPerSecond: number;
}

/** Counts the crops that a reader who does nothing else gets from a loader. @throws {DataError} when the store cannot be read */
export async function measureLoader(request: LoaderCase): Promise<LoaderRecord> {
  const { store, crop, patch, workers, seconds } = request;
  const cropSize: Dims3 = [crop, crop, crop], finalSize: Dims3 = [patch, patch, patch];
  using loader = createLoader({ store, seed: 1, batchSize: 1, prefetch: 8, cropSize, finalSize, workers });
  const warm = performance.now() + 1000 * Math.min(2, seconds);
  let started = 0, crops = 0, ended = 0;
  for await (const _ of loader) {
    ended = performance.now();
    if (started > 0) crops++;
    else if (ended >= warm) started = ended;
    if (started > 0 && ended - started >= 1000 * seconds && crops > 0) break;
  }
  const cropsPerSecond = 1000 * crops / (ended - started);
  using opened = openStore(store);
  const { volumes, index: { dtype, compression } } = opened;
  const elementBytes = dtype === "float16" ? 2 : 4;
  const plain = volumes.reduce((sum, { shape }) => sum + elementBytes * voxelCount(shape), 0);
  return {
    bench: "loader",
    dtype,
    compression,
    crop,
    patch,
    workers,
    volumes: volumes.length,
    storedShare: volumes.reduce((sum, { bytes }) => sum + bytes, 0) / plain,
    crops,
    cropsPerSecond,
    megabytesPerSecond: 4 * voxelCount(cropSize) * cropsPerSecond / 1e6,
  };
}
