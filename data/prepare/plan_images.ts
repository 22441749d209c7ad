import { DataError, toDataError } from "../errors.ts";
import type { DatasetPlan } from "../plan.ts";
import { transposed } from "../volume.ts";
import { estimateMemory } from "./estimate_memory.ts";
import type { ImageSettings, ImageTask } from "./image_task.ts";
import { mapConcurrent } from "./map_concurrent.ts";
import type { PrepareOptions } from "./options.ts";
import type { Survey, SurveyedImage } from "./survey.ts";

/** Raised when the meaning of a stored array changes, so that older ones are made again. */
const PREPARATION_VERSION = 3;
/** Files looked at at a time. */
const CONCURRENT_FILES = 16;

/** Settings that all images of a run share. */
export function imageSettings(options: PrepareOptions, plan: DatasetPlan): ImageSettings {
  const { configuration = "onemmiso", dtype = "float16", compression = "none", out, maxBytes } = options;
  const preprocess = {
    targetSpacing: plan.configurations[configuration].spacing,
    transpose: plan.transpose_forward,
    orientation: plan.orientation,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  };
  return { out, preprocess, dtype, compression };
}

/**
 * Turns the kept images of a survey into tasks.
 *
 * @throws {DataError} when a mask or an image cannot be looked at for a reason other than that it is missing
 */
export function imageTasks(
  images: readonly SurveyedImage[],
  headers: Survey["headers"],
  settings: ImageSettings,
): Promise<ImageTask[]> {
  return mapConcurrent(images, CONCURRENT_FILES, async (image) => {
    const { id, subject, modality, file, volume, masks, path } = image;
    const stamp = await sourceStamp(image, settings);
    const memoryBytes = taskMemory(image, headers, settings);
    const choice = volume === undefined ? {} : { volume };
    return { id, subject, modality, file, ...choice, ...(masks ? { masks } : {}), path, stamp, memoryBytes };
  });
}

function taskMemory(
  { id, masks }: SurveyedImage,
  headers: Survey["headers"],
  settings: ImageSettings,
): number {
  const { shape, spacing, contentBytes } = headers.get(id)!;
  const { transpose = [0, 1, 2], targetSpacing = null } = settings.preprocess;
  return estimateMemory({
    contentBytes,
    shape: transposed(shape, transpose),
    spacing: transposed(spacing, transpose),
    targetSpacing,
    masks: Object.keys(masks ?? {}).length,
  });
}

/** Why an image that alone is larger than the memory budget is left out. */
export function memoryReason({ file, memoryBytes }: ImageTask, budget: number): string {
  const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new DataError({
    file,
    action: "prepare",
    found: `an image that takes about ${mib(memoryBytes)} of memory`,
    wanted: `at most ${mib(budget)}`,
    remedy: "raise --memory, or choose a coarser spacing",
  }).message;
}

/** What a stored array was made from: the files with size and time of change, and all settings that shape it. */
async function sourceStamp(image: SurveyedImage, settings: ImageSettings): Promise<string> {
  const { targetSpacing, transpose, orientation } = settings.preprocess;
  const { dtype, compression } = settings;
  const masks = Object.entries(image.masks ?? {}).map(async ([kind, path]) => [kind, await fileStamp(path)]);
  return JSON.stringify({
    version: PREPARATION_VERSION,
    source: await fileStamp(image.file),
    ...(image.volume === undefined ? {} : { volume: image.volume }),
    ...(image.masks ? { masks: await Promise.all(masks) } : {}),
    targetSpacing,
    transpose,
    orientation,
    dtype,
    compression,
  });
}

async function fileStamp(
  path: string,
): Promise<[path: string, size: number | null, modified: number | null]> {
  try {
    const { size, mtime } = await Deno.stat(path);
    return [path, size, mtime?.getTime() ?? null];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [path, null, null]; // reading it says what is wrong
    throw toDataError(error, path);
  }
}
