import { makeFolder } from "./atomic.ts";
import { toDataError } from "./errors.ts";
import { type PreprocessedImage, preprocessFile, type PreprocessOptions } from "./preprocess.ts";
import type { PretrainEntry } from "./pretrain_data.ts";
import type { StoreVolume } from "./store_index.ts";
import type { Dims3 } from "./volume.ts";
import {
  type Compression,
  readZarrMetadata,
  type StoredArray,
  type StoredType,
  writeZarrArray,
} from "./zarr/mod.ts";

/** Raised when the meaning of a stored array changes, so that older ones are made again. */
const PREPARATION_VERSION = 2;

/** Where and how one image of a collection is stored. */
export interface PrepareTarget {
  /** Folder of the store. */
  readonly out: string;
  /** Path of the array relative to the store. */
  readonly path: string;
  readonly settings: PreprocessOptions;
  readonly dtype: StoredType;
  readonly compression: Compression;
}

/**
 * Preprocesses one image into a Zarr array of the store, unless an array made from the same file with the same settings is there.
 *
 * @throws {DataError} when the image cannot be used (action "read") or the array cannot be written (action "write")
 */
export async function prepareImage(
  entry: PretrainEntry,
  target: PrepareTarget,
): Promise<{ volume: StoreVolume; reused: boolean }> {
  const { out, path, settings, dtype, compression } = target;
  const stamp = await sourceStamp(entry, settings, dtype, compression);
  const finished = finishedVolume(entry, out, path, stamp);
  if (finished) return { volume: finished, reused: true };
  const image = await preprocessFile(entry.image.image_path, settings);
  await makeFolder(`${out}/${path.slice(0, path.lastIndexOf("/"))}`);
  const stored = await writeZarrArray(`${out}/${path}`, image.data, image.shape, {
    dtype,
    compression,
    attributes: arrayAttributes(entry, image, stamp),
  });
  return { volume: storeVolume(entry, path, image, stored), reused: false };
}

/** What a stored array was made from; equal stamps mean that it need not be made again. */
async function sourceStamp(
  entry: PretrainEntry,
  settings: PreprocessOptions,
  dtype: StoredType,
  compression: Compression,
): Promise<string> {
  const path = entry.image.image_path;
  const { size, mtime } = await Deno.stat(path).catch((error) => {
    throw toDataError(error, path);
  });
  const { targetSpacing, transpose, orientation } = settings;
  const version = PREPARATION_VERSION;
  return JSON.stringify({
    version,
    path,
    size,
    modified: mtime?.getTime() ?? null,
    targetSpacing,
    transpose,
    orientation,
    dtype,
    compression,
  });
}

function finishedVolume(entry: PretrainEntry, out: string, path: string, stamp: string): StoreVolume | null {
  try {
    const { shape, attributes, stored } = readZarrMetadata(`${out}/${path}`);
    if (attributes.stamp !== stamp || !stored) return null;
    return storeVolume(entry, path, { shape, spacing: attributes.spacing as Dims3 }, stored);
  } catch {
    return null; // not there yet, or not one of ours: it is made (again)
  }
}

function arrayAttributes(
  entry: PretrainEntry,
  image: PreprocessedImage,
  stamp: string,
): Record<string, unknown> {
  const { box, source } = image;
  return {
    id: entry.imageId,
    subject: entry.subjectId,
    modality: entry.image.modality,
    spacing: image.spacing,
    affine: image.affine,
    transpose: image.transpose,
    statistics: image.statistics,
    properties: {
      spacing: source.spacing,
      shape_before_cropping: image.shapeBeforeCropping,
      bbox_used_for_cropping: box.start.map((start, axis) => [start, box.stop[axis]]),
      shape_after_cropping_and_before_resampling: image.shapeAfterCropping,
    },
    geometry: {
      shape: source.shape,
      origin: source.origin,
      direction: source.direction,
      affine: source.affine,
    },
    stamp,
  };
}

function storeVolume(
  entry: PretrainEntry,
  path: string,
  { shape, spacing }: Pick<StoreVolume, "shape" | "spacing">,
  { bytes, sha256 }: StoredArray,
): StoreVolume {
  const { imageId: id, subjectId: subject, image } = entry;
  return { id, subject, modality: image.modality, path, shape, spacing, bytes, sha256 };
}
