import { makeFolder } from "../atomic.ts";
import { DataError } from "../errors.ts";
import type { DatasetCase } from "../nnunet/dataset.ts";
import type { PoolTask } from "../task_pool.ts";
import { CHUNK_PATH, type LabelType, readZarrMetadata, writeZarrArray } from "../zarr/mod.ts";
import { caseAffine } from "./case_geometry.ts";
import { drawClassLocations, writeClassLocations } from "./class_locations.ts";
import type { LabelledCase, StoredClass, StoredFile } from "./labelled_index.ts";
import {
  type CaseConfiguration,
  type CasePlans,
  preprocessCase,
  type PreprocessedCase,
} from "./preprocess_case.ts";

/** What all cases of a run share; plain values, posted to every worker once. */
export interface CaseSettings {
  /** Folder of the store. */
  readonly out: string;
  readonly plans: CasePlans;
  readonly configuration: CaseConfiguration;
  readonly classes: readonly StoredClass[];
  readonly ignore: number | null;
  readonly labelType: LabelType;
}

/** One case to prepare; plain values, posted to a worker. */
export interface CaseTask extends PoolTask, DatasetCase {
  /** Folder of the case below the store. */
  readonly path: string;
  /** What the case is made from; a case with an equal stamp need not be made again. */
  readonly stamp: string;
}

/** A finished case. */
export interface PreparedCase {
  readonly prepared: LabelledCase;
  readonly ms: number;
}

/**
 * Preprocesses a case into the store: channels, drawn voxels of every class, and last the labels, with the stamp that marks all of it as
 * finished.
 *
 * @throws {DataError} as `preprocessCase`; for a label that the data set does not declare; when the store cannot be written
 */
export async function prepareCase(task: CaseTask, settings: CaseSettings): Promise<PreparedCase> {
  const started = performance.now();
  const { images, label, path, id, stamp } = task;
  const { out, plans, configuration } = settings;
  const done = await preprocessCase({ images, label, plans, configuration }).catch((error) => {
    throw memoryError(error, task.file);
  });
  await makeFolder(`${out}/${path}`);
  const locations = await storeLocations(task, settings, done);
  const { shape, spacing, geometry } = done;
  const common = { spacing, affine: caseAffine(geometry) };
  const channels: StoredFile[] = [];
  for (let c = 0; c < images.length; c++) {
    const voxels = done.image.length / images.length;
    const channel = `${path}/channel_${c}.zarr`;
    const data = done.image.subarray(c * voxels, (c + 1) * voxels);
    const attributes = { id, channel: c, ...common };
    const stored = await writeZarrArray(`${out}/${channel}`, data, shape, { dtype: "float32", attributes });
    channels.push({ path: channel, ...stored });
  }
  const facts = { channels, ...locations };
  const labels = `${path}/label.zarr`;
  const stored = await writeZarrArray(`${out}/${labels}`, done.label!, shape, {
    dtype: settings.labelType,
    attributes: { id, ...common, geometry, ...facts, stamp },
  });
  const prepared = { id, shape, spacing, label: { path: labels, ...stored }, ...facts };
  return { prepared, ms: performance.now() - started };
}

async function storeLocations(
  { label, path }: CaseTask,
  { out, classes, ignore }: CaseSettings,
  done: PreprocessedCase,
): Promise<Pick<LabelledCase, "locations" | "voxels" | "drawn">> {
  let drawn: ReturnType<typeof drawClassLocations>;
  try {
    drawn = drawClassLocations(done.label!, done.shape, classes, ignore);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const declared = [0, ...classes.flatMap(({ values }) => values), ...(ignore === null ? [] : [ignore])];
    const wanted = `the labels ${[...new Set(declared)].sort((a, b) => a - b).join(", ")} of dataset.json`;
    throw new DataError({
      file: label,
      found: error.message,
      wanted,
      remedy: "correct the label map, or declare it",
    });
  }
  const file = `${path}/locations.safetensors`;
  return {
    locations: { path: file, ...await writeClassLocations(`${out}/${file}`, drawn.drawn) },
    voxels: drawn.voxels,
    drawn: drawn.drawn.map(({ length }) => length / 3),
  };
}

/** Says which case an allocation failed for; other errors pass. */
function memoryError(error: unknown, file: string): unknown {
  const outOfMemory = error instanceof RangeError && /allocation|array length/i.test(error.message);
  if (!outOfMemory) return error;
  const remedy = "prepare with fewer threads, or on a machine with more memory";
  return new DataError({ file, found: "not enough memory", wanted: "room for its voxels", remedy }, {
    cause: error,
  });
}

type CaseAttributes = Pick<LabelledCase, "spacing" | "channels" | "locations" | "voxels" | "drawn">;

/** The case that an earlier run finished from the same files with the same settings; null when there is none, or not all of it. */
export function finishedCase({ id, path, stamp }: CaseTask, out: string): LabelledCase | null {
  const label = `${path}/label.zarr`;
  try {
    const { shape, attributes, stored } = readZarrMetadata(`${out}/${label}`);
    if (!stored || attributes.stamp !== stamp) return null;
    const { spacing, channels, locations, voxels, drawn } = attributes as unknown as CaseAttributes;
    const found = {
      id,
      shape,
      spacing,
      label: { path: label, ...stored },
      channels,
      locations,
      voxels,
      drawn,
    };
    const arrays = [found.label, ...channels].map((one) => ({ ...one, path: `${one.path}/${CHUNK_PATH}` }));
    const complete = [...arrays, locations].every((one) =>
      Deno.statSync(`${out}/${one.path}`).size === one.bytes
    );
    return complete ? found : null;
  } catch {
    return null; // not there yet, or not one of ours: it is made (again)
  }
}
