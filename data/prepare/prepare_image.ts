import { makeFolder } from "../atomic.ts";
import { DataError, type DataErrorFields } from "../errors.ts";
import { type PreprocessedImage, preprocessFile } from "../preprocess.ts";
import type { ImageMasks, ImageResampler } from "../preprocess_array.ts";
import type { StoredMask, StoreVolume } from "../store_index.ts";
import { maskPath } from "../store_paths.ts";
import { CHUNK_PATH, readZarrMetadata, writeZarrArray } from "../zarr/mod.ts";
import type { ImageResult, ImageSettings, ImageTask } from "./image_task.ts";

/**
 * Preprocesses one image into arrays of the store: first its masks, then the image with the stamp that marks all of them as finished.
 *
 * @throws {DataError} with action "write" when the store cannot be written, as on a full disk
 */
export async function prepareImage(
  task: ImageTask,
  settings: ImageSettings,
  resampler?: ImageResampler,
): Promise<ImageResult> {
  const started = performance.now();
  try {
    const image = await preprocessFile(task.file, {
      ...settings.preprocess,
      ...(task.masks ? { masks: task.masks } : {}),
      ...(task.volume === undefined ? {} : { volume: task.volume }),
      ...(resampler ? { resampler } : {}),
    });
    const volume = await storeImage(task, settings, image);
    return { type: "prepared", volume, ms: performance.now() - started };
  } catch (error) {
    return { type: "rejected", fields: rejectionOf(error, task.file), ms: performance.now() - started };
  }
}

/** Actions whose failure is no image's fault: writing to the store, resampling on a device. */
const RUN_ACTIONS = new Set(["write", "resample"]);

/** What is wrong with an image; rethrows what is not the image's fault, such as a full disk. */
function rejectionOf(error: unknown, file: string): DataErrorFields {
  if (error instanceof DataError && !RUN_ACTIONS.has(error.action)) return error.fields();
  const outOfMemory = error instanceof RangeError && /allocation|array length/i.test(error.message);
  if (!outOfMemory) throw error;
  return { file, found: "not enough memory", wanted: "room for its voxels", remedy: "downsample it" };
}

async function storeImage(
  task: ImageTask,
  { out, dtype, compression }: ImageSettings,
  image: PreprocessedImage,
): Promise<StoreVolume> {
  await makeFolder(`${out}/${task.path.slice(0, task.path.lastIndexOf("/"))}`);
  const masks: { -readonly [K in keyof ImageMasks<StoredMask>]: StoredMask } = {};
  for (const kind of ["anonymization", "anatomy"] as const) {
    const labels = image.masks?.[kind];
    if (!labels) continue;
    const path = maskPath(task.path, kind);
    const attributes = { id: task.id, mask: kind, spacing: image.spacing, affine: image.affine };
    const stored = await writeZarrArray(`${out}/${path}`, labels, image.shape, {
      dtype: "int8",
      compression,
      attributes,
    });
    masks[kind] = { path, ...stored };
  }
  const written = Object.keys(masks).length > 0 ? masks : undefined;
  const attributes = arrayAttributes(task, image, written);
  const stored = await writeZarrArray(`${out}/${task.path}`, image.data, image.shape, {
    dtype,
    compression,
    attributes,
  });
  return storeVolume(task, attributes, image.shape, stored);
}

/**
 * The volume that an earlier run finished from the same file with the same settings; null when there is none, or not all of it.
 */
export function finishedVolume(task: ImageTask, out: string): StoreVolume | null {
  try {
    const { shape, attributes, stored } = readZarrMetadata(`${out}/${task.path}`);
    if (!stored || attributes.stamp !== task.stamp) return null;
    const volume = storeVolume(task, attributes as unknown as ArrayAttributes, shape, stored);
    const complete = [volume, ...Object.values(volume.masks ?? {})].every(({ path, bytes }) =>
      Deno.statSync(`${out}/${path}/${CHUNK_PATH}`).size === bytes
    );
    return complete ? volume : null;
  } catch {
    return null; // not there yet, or not one of ours: it is made (again)
  }
}

type ArrayAttributes = ReturnType<typeof arrayAttributes>;

function arrayAttributes(task: ImageTask, image: PreprocessedImage, masks?: ImageMasks<StoredMask>) {
  const { box, source } = image;
  return {
    id: task.id,
    subject: task.subject,
    modality: task.modality,
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
    ...(masks ? { masks } : {}),
    stamp: task.stamp,
  };
}

function storeVolume(
  { id, subject, modality, path }: ImageTask,
  { spacing, masks }: Pick<ArrayAttributes, "spacing" | "masks">,
  shape: StoreVolume["shape"],
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string },
): StoreVolume {
  return { id, subject, modality, path, shape, spacing, bytes, sha256, ...(masks ? { masks } : {}) };
}
