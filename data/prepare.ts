import { makeFolder, writeJsonAtomic } from "./atomic.ts";
import { discover } from "./discover.ts";
import { DataError } from "./errors.ts";
import type { DatasetFingerprint } from "./fingerprint.ts";
import { readNiftiHeader } from "./formats/nifti/read_nifti.ts";
import { orientationOf } from "./orientation.ts";
import { type ConfigurationName, type DatasetPlan, planDataset } from "./plan.ts";
import { prepareImage } from "./prepare_image.ts";
import { writePreparedData, writeSplit } from "./prepare_outputs.ts";
import type { PreprocessOptions } from "./preprocess.ts";
import {
  type PretrainData,
  pretrainEntries,
  type PretrainEntry,
  readPretrainData,
  writePretrainData,
} from "./pretrain_data.ts";
import { SPLIT_SEED, type SubjectSplit } from "./split.ts";
import {
  type RejectedImage,
  STORE_FILE,
  type StoreIndex,
  type StoreVolume,
  writeStoreIndex,
} from "./store_index.ts";
import { preparedPaths } from "./store_paths.ts";
import type { Dims3 } from "./volume.ts";
import type { Compression, StoredType } from "./zarr/mod.ts";

/** What became of one image. */
export interface PrepareProgress {
  /** Images finished so far, this one included. */
  readonly done: number;
  readonly total: number;
  readonly id: string;
  readonly status: "prepared" | "reused" | "rejected";
  /** Why, when rejected. */
  readonly reason?: string;
  /** Time for this image. */
  readonly ms: number;
}

/** What to prepare, and how. */
export interface PrepareOptions {
  /** A BIDS tree, a folder of NIfTI images, or a pretrain_data.json. */
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
  /** Largest decompressed file and largest prepared array in bytes; 4 GiB when left out. */
  readonly maxBytes?: number;
  readonly splitSeed?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
  /** Stops between two images with the signal's reason; finished images stay for the next run. */
  readonly signal?: AbortSignal;
}

/** A finished store. */
export interface PreparedDataset {
  readonly path: string;
  readonly index: StoreIndex;
  readonly plan: DatasetPlan;
  readonly prepared: number;
  readonly reused: number;
  /** Remarks for the user, for example that one subject serves both training and validation. */
  readonly warnings: readonly string[];
}

/**
 * Prepares a data set for training: lists the images, plans, preprocesses each into a Zarr array and splits by subject.
 *
 * Writes store.json, pretrain_data.json (as found), pretrain_data__CONFIGURATION.json (as prepared), dataset_fingerprint.json,
 * nnsslPlans.json and splits_final.json. An image that was finished by an earlier run with the same settings is not done again; one that
 * cannot be used is listed under `rejected` and the others go on.
 *
 * @throws {DataError} when the source is missing or empty, the output cannot be written, or no image is usable
 */
export async function prepareDataset(options: PrepareOptions): Promise<PreparedDataset> {
  const { source, out } = options;
  const orientation = options.orientation === undefined ? "RAS" : options.orientation;
  const data = source.endsWith(".json")
    ? await readPretrainData(source)
    : await discover(source, { name: options.name });
  await makeFolder(out);
  await writePretrainData(`${out}/pretrain_data.json`, data);

  const entries = pretrainEntries(data);
  const rejected = new Map<string, RejectedImage>();
  const report = progressReporter(entries.length, options);
  const readable = await readSpacings(entries, orientation, options, rejected, report);
  if (readable.length === 0) throw await nothingUsable(options, data, orientation, [...rejected.values()]);
  const fingerprint: DatasetFingerprint = { spacings: readable.map(({ spacing }) => spacing) };
  const plan = planDataset(data.collection_name, fingerprint, orientation);
  await writeJsonAtomic(`${out}/dataset_fingerprint.json`, fingerprint);
  await writeJsonAtomic(`${out}/nnsslPlans.json`, plan);

  const done = await prepareImages(
    readable.map(({ entry }) => entry),
    plan,
    entries,
    options,
    rejected,
    report,
  );
  const refused = entries.flatMap(({ imageId }) => rejected.get(imageId) ?? []);
  if (done.volumes.length === 0) throw await nothingUsable(options, data, orientation, refused);
  const { split, warnings } = await writeSplit(out, done.volumes, options.splitSeed ?? SPLIT_SEED);
  const index = storeIndex(options, data, orientation, done.volumes, refused, split);
  await writePreparedData(out, index.configuration, data, done.volumes);
  await writeStoreIndex(out, index);
  return { path: out, index, plan, prepared: done.prepared, reused: done.reused, warnings };
}

type Report = (id: string, status: PrepareProgress["status"], ms: number, reason?: string) => void;

function progressReporter(total: number, { onProgress }: PrepareOptions): Report {
  let done = 0;
  return (id, status, ms, reason) =>
    onProgress?.({ done: ++done, total, id, status, ms, ...(reason ? { reason } : {}) });
}

/** Reads every header: spacing in mm along z, y, x after reorientation; images without a usable header are rejected. */
async function readSpacings(
  entries: readonly PretrainEntry[],
  orientation: string | null,
  options: PrepareOptions,
  rejected: Map<string, RejectedImage>,
  report: Report,
): Promise<{ entry: PretrainEntry; spacing: Dims3 }[]> {
  const readable: { entry: PretrainEntry; spacing: Dims3 }[] = [];
  for (const entry of entries) {
    const started = performance.now();
    try {
      const { spacing, affine } = await readNiftiHeader(entry.image.image_path, {
        maxBytes: options.maxBytes,
      });
      const world = [0, 0, 0]; // spacing per world axis x, y, z
      orientationOf(affine).axes.forEach((axis, index) => world[axis] = spacing[2 - index]);
      readable.push({
        entry,
        spacing: orientation === null ? spacing : reorderedSpacing(world, orientation),
      });
    } catch (error) {
      reject(entry, error, rejected);
      report(entry.imageId, "rejected", performance.now() - started, (error as Error).message);
    }
  }
  return readable;
}

/** Spacing along z, y, x of a grid whose index axes point as the letters of `code`. */
function reorderedSpacing(world: readonly number[], code: string): Dims3 {
  const axes = [...code.toUpperCase()].map((letter) =>
    ["LR", "PA", "IS"].findIndex((pair) => pair.includes(letter))
  );
  return [world[axes[2]], world[axes[1]], world[axes[0]]];
}

/** Files a `DataError` of reading under the rejected images; anything else, such as a full disk, ends the run. */
function reject(entry: PretrainEntry, error: unknown, rejected: Map<string, RejectedImage>): void {
  const outOfMemory = error instanceof RangeError && /allocation|array length/i.test(error.message);
  if (!outOfMemory && (!(error instanceof DataError) || error.action === "write")) throw error;
  const reason = outOfMemory
    ? `Cannot read ${entry.image.image_path}: not enough memory: downsample it`
    : (error as Error).message;
  rejected.set(entry.imageId, { id: entry.imageId, file: entry.image.image_path, reason });
}

async function prepareImages(
  readable: readonly PretrainEntry[],
  plan: DatasetPlan,
  entries: readonly PretrainEntry[],
  options: PrepareOptions,
  rejected: Map<string, RejectedImage>,
  report: Report,
): Promise<{ volumes: StoreVolume[]; prepared: number; reused: number }> {
  const { configuration = "onemmiso", dtype = "float16", compression = "none", out } = options;
  const paths = preparedPaths(entries);
  const settings: PreprocessOptions = {
    targetSpacing: plan.configurations[configuration].spacing,
    transpose: plan.transpose_forward,
    orientation: plan.orientation,
    maxBytes: options.maxBytes,
  };
  const volumes: StoreVolume[] = [];
  let prepared = 0, reused = 0;
  for (const entry of readable) {
    options.signal?.throwIfAborted();
    const started = performance.now();
    const path = paths.get(entry.imageId)!;
    try {
      const { volume, reused: found } = await prepareImage(entry, {
        out,
        path,
        settings,
        dtype,
        compression,
      });
      volumes.push(volume);
      if (found) reused++;
      else prepared++;
      report(entry.imageId, found ? "reused" : "prepared", performance.now() - started);
    } catch (error) {
      reject(entry, error, rejected);
      report(entry.imageId, "rejected", performance.now() - started, rejected.get(entry.imageId)!.reason);
    }
  }
  return { volumes, prepared, reused };
}

function storeIndex(
  { configuration = "onemmiso", dtype = "float16", compression = "none" }: PrepareOptions,
  data: PretrainData,
  orientation: string | null,
  volumes: StoreVolume[],
  rejected: readonly RejectedImage[],
  split: SubjectSplit,
): StoreIndex {
  return {
    format: "spark3d-store",
    version: 2,
    collection: data.collection_name,
    configuration,
    dtype,
    compression,
    orientation,
    volumes,
    rejected: [...rejected],
    split: { train: [...split.train], val: [...split.val] },
  };
}

/** Leaves the reasons in store.json and makes the error that ends the run. */
async function nothingUsable(
  options: PrepareOptions,
  data: PretrainData,
  orientation: string | null,
  rejected: readonly RejectedImage[],
): Promise<DataError> {
  const file = `${options.out}/${STORE_FILE}`;
  const empty = { train: [], val: [] };
  await writeStoreIndex(options.out, storeIndex(options, data, orientation, [], rejected, empty));
  return new DataError({
    file: options.source,
    found: `no usable image among ${rejected.length} (first: ${rejected[0]?.reason ?? "none"})`,
    wanted: "at least one readable 3-D NIfTI image",
    remedy: `see the reasons in ${file}`,
  });
}
