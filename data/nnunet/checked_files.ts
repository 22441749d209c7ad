import { writeJsonAtomic } from "../atomic.ts";
import { z } from "../deps.ts";
import { mapConcurrent } from "../prepare/map_concurrent.ts";
import type { LabelledDataset } from "./dataset.ts";

/** Name of the record of what was checked. */
export const CHECKED_FILE = "checked_files.json";

const schema = z.object({
  description: z.record(z.string(), z.unknown()),
  files: z.array(z.tuple([z.string(), z.number(), z.number()])),
  warnings: z.array(z.string()),
});

/** What was checked: the content of dataset.json, path, bytes and time of change (ms) of every file, and what was remarked. */
export type CheckedFiles = z.infer<typeof schema>;

/** Files whose facts are asked for at a time. */
const CONCURRENT_FILES = 32;

/** The files of a data set as they are now; one that is gone has no bytes. */
export async function listFiles(dataset: LabelledDataset): Promise<CheckedFiles["files"]> {
  const paths = dataset.cases.flatMap(({ images, label }) => [...images, label]);
  return await mapConcurrent(paths, CONCURRENT_FILES, async (path) => {
    const info = await Deno.stat(path).catch(() => null);
    return [path, info?.size ?? -1, info?.mtime?.getTime() ?? -1];
  });
}

/** The record of an earlier check; null when there is none, or one of another form. */
export async function readCheckedFiles(path: string): Promise<CheckedFiles | null> {
  try {
    return schema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch {
    return null; // the data set is checked again
  }
}

/** Writes the record of a check, atomically. @throws {DataError} when the file cannot be written */
export function writeCheckedFiles(path: string, record: CheckedFiles): Promise<void> {
  return writeJsonAtomic(path, record);
}

/** Whether a data set is as it was when it was checked. */
export function isUnchanged(
  { description }: LabelledDataset,
  files: CheckedFiles["files"],
  record: CheckedFiles,
): boolean {
  return JSON.stringify([description, files]) === JSON.stringify([record.description, record.files]);
}
