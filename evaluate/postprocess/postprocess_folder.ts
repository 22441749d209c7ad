import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { DataError, toDataError } from "../../data/errors.ts";
import { readImage } from "../../data/formats/mod.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { imagesById } from "../match_files.ts";
import type { FoundPostprocessing } from "./find_postprocessing.ts";
import { applySteps, type PostprocessStep } from "./steps.ts";

/** Writes what was found, for `readPostprocessing`. @throws {DataError} when the file cannot be written */
export function writePostprocessing(path: string, found: FoundPostprocessing): Promise<void> {
  return writeJsonAtomic(path, found);
}

/** Reads the accepted steps of a file of `writePostprocessing`. @throws {DataError} when it cannot be read or holds none */
export async function readPostprocessing(path: string): Promise<readonly PostprocessStep[]> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    throw toDataError(error, path);
  }
  const steps = (parsed as { steps?: unknown } | null)?.steps;
  if (!Array.isArray(steps) || !steps.every(isStep)) {
    throw new DataError({
      file: path,
      found: 'no "steps" that this program knows',
      wanted: "a file that post-processing was found into",
      remedy: "find it again on the cross-validation",
    });
  }
  return steps;
}

function isStep(value: unknown): value is PostprocessStep {
  const { kind, name, values } = (value ?? {}) as Partial<PostprocessStep>;
  return kind === "keep-largest-component" && typeof name === "string" && Array.isArray(values) &&
    values.every((label) => Number.isInteger(label) && label > 0 && label <= 65535);
}

/** Which files to post-process. */
export interface PostprocessFolderOptions {
  /** Folder of label maps. */
  readonly segmentations: string;
  /** Folder of the results; may be the same. */
  readonly out: string;
  readonly steps: readonly PostprocessStep[];
  readonly onProgress?: (done: number, total: number, id: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Post-processes every label map of a folder; the results are NIfTI with the geometry of their input.
 *
 * @returns ids of the cases in which something was removed
 * @throws {DataError} when a file cannot be read or written or holds no labels, or a case has two files
 */
export async function postprocessFolder(options: PostprocessFolderOptions): Promise<string[]> {
  const { segmentations, out, steps, onProgress, signal } = options;
  const files = await imagesById(segmentations, "post-process");
  await makeFolder(out);
  const changed: string[] = [];
  let done = 0;
  for (const [id, path] of files) {
    signal?.throwIfAborted();
    const volume = await readImage(path);
    const labels = Uint16Array.from(volume.data);
    const fraction = volume.data.findIndex((value, at) => value !== labels[at]);
    if (fraction >= 0) {
      throw new DataError({
        file: path,
        action: "post-process",
        found: `value ${volume.data[fraction]}`,
        wanted: "label values, whole numbers from 0 to 65535",
        remedy: "name a folder of segmentations",
      });
    }
    const kept = applySteps({ data: labels, shape: volume.shape }, steps);
    if (kept !== labels) changed.push(id);
    const dtype = kept.some((value) => value > 255) ? "uint16" : "uint8";
    await writeNifti(`${out}/${id}.nii.gz`, { ...volume, data: Float32Array.from(kept) }, { dtype });
    onProgress?.(++done, files.size, id);
  }
  return changed;
}
