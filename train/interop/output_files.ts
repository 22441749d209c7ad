import { DataError, toDataError } from "../../data/errors.ts";
import { runFolderOf } from "./training_record.ts";

/**
 * Refuses to write where that would destroy something: two files in one place, the file that is read, a run's checkpoints. Links count
 * as what they lead to.
 *
 * @param source file that weights are read from
 * @param files every file that will be written
 * @throws {DataError} naming the file and what is in its place, also when that is a folder, or its folder does not exist
 */
export async function requireOwnPlaces(source: string, files: readonly string[]): Promise<void> {
  const inUse = "the file that is read";
  const taken = new Map([[await placeOf(source), inUse], [await Deno.realPath(source), inUse]]);
  for (const file of files) {
    const place = await placeOf(file);
    const folder = (await Deno.stat(file).catch(() => null))?.isDirectory ? "a folder" : undefined;
    const found = folder ?? taken.get(place) ??
      (await runFolderOf(place) === null ? undefined : "a place for checkpoints of a run");
    if (found !== undefined) {
      throw new DataError({
        file,
        action: "write",
        found,
        wanted: "a place of its own",
        remedy: "choose another name",
      });
    }
    taken.set(place, "another file that is written");
  }
}

/** Where a file lies or will lie, its folder without links; a link of that name is what gets replaced, not what it leads to. */
async function placeOf(path: string): Promise<string> {
  const [, folder, name] = /^(.*[/\\])?([^/\\]*)$/s.exec(path)!;
  try {
    const found = await Deno.lstat(path).catch(() => null);
    return found?.isFile ? await Deno.realPath(path) : `${await Deno.realPath(folder ?? ".")}/${name}`;
  } catch (error) {
    throw toDataError(error, path, "write");
  }
}
