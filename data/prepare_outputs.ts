import { writeJsonAtomic } from "./atomic.ts";
import {
  type PretrainData,
  pretrainEntries,
  type PretrainImage,
  writePretrainData,
} from "./pretrain_data.ts";
import { reuseSplit, splitSubjects, type SubjectSplit } from "./split.ts";
import type { StoreVolume } from "./store_index.ts";

/**
 * Splits the usable subjects, keeping the sides of an earlier splits_final.json, and writes that file.
 *
 * @returns the split and remarks for the user
 * @throws {DataError} when it cannot be written
 */
export async function writeSplit(
  out: string,
  volumes: readonly StoreVolume[],
  seed: number,
): Promise<{ split: SubjectSplit; warnings: string[] }> {
  const path = `${out}/splits_final.json`;
  const subjects = volumes.map(({ subject }) => subject);
  const stored = await readStoredSplit(path);
  const split: SubjectSplit = (stored && reuseSplit(stored, subjects)) ?? splitSubjects(subjects, seed);
  await writeJsonAtomic(path, split);
  const alone = split.train.length === 1 && split.val[0] === split.train[0];
  const warnings = alone
    ? [`Only one usable subject (${split.train[0]}): it serves both training and validation`]
    : [];
  return { split, warnings };
}

async function readStoredSplit(path: string): Promise<SubjectSplit | null> {
  try {
    const { train, val } = JSON.parse(await Deno.readTextFile(path));
    return Array.isArray(train) && Array.isArray(val) ? { train, val } : null;
  } catch {
    return null;
  }
}

/**
 * Writes pretrain_data__CONFIGURATION.json: the collection with the paths of the prepared arrays, without unusable images.
 *
 * @throws {DataError} when it cannot be written
 */
export async function writePreparedData(
  out: string,
  configuration: string,
  data: PretrainData,
  volumes: readonly StoreVolume[],
): Promise<void> {
  const root = await Deno.realPath(out);
  const paths = new Map(volumes.map(({ id, path }) => [id, `${root}/${path}`]));
  const copy = structuredClone(data);
  const usable = new Set<PretrainImage>();
  for (const { imageId, image } of pretrainEntries(copy)) {
    const path = paths.get(imageId);
    if (!path) continue;
    image.image_path = path;
    usable.add(image);
  }
  for (const { subjects } of Object.values(copy.datasets)) {
    for (const { sessions } of Object.values(subjects)) {
      for (const session of Object.values(sessions)) {
        session.images = session.images.filter((image) => usable.has(image));
      }
    }
  }
  await writePretrainData(`${out}/pretrain_data__${configuration}.json`, copy);
}
