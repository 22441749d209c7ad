import { builtin } from "./builtin.ts";
import { toDataError } from "./errors.ts";

/** Ending of a temporary name: machine, process, and eight random digits that keep threads apart. */
const TEMPORARY_ENDING = /\.([A-Za-z0-9_-]+)-(\d+)-[0-9a-f]{8}\.tmp$/;

/** A name beside `path` that no other thread, process or machine picks; ends in `.MACHINE-PROCESS-RANDOM.tmp`. */
export function temporaryName(path: string): string {
  return `${path}.${machineName()}-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}.tmp`;
}

let machine: string | undefined;

function machineName(): string {
  if (machine !== undefined) return machine;
  try {
    machine = Deno.hostname().replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40) || "unnamed";
  } catch {
    machine = "unnamed"; // without permission to ask
  }
  return machine;
}

/** Age at which a temporary name of another machine counts as left behind. */
const FOREIGN_AGE_MS = 24 * 60 * 60 * 1000;

/**
 * Removes what killed runs left under temporary names below a folder. What belongs to a living process of this machine stays, and
 * so does what another machine touched in the last 24 hours; arrays (`*.zarr`) are not searched, for they are renamed as a whole.
 *
 * Only writers call this; a reader has no right to judge.
 *
 * @param root folder to search; one that does not exist holds nothing
 * @param options `all`: remove every temporary name, for a caller that knows that nobody else writes
 * @returns removed paths
 * @throws {DataError} when a folder cannot be listed or a leftover cannot be removed
 */
export async function cleanTemporary(root: string, options: { all?: boolean } = {}): Promise<string[]> {
  const removed: string[] = [];
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for await (const { name, isDirectory } of Deno.readDir(folder)) {
        const path = `${folder}/${name}`;
        const owner = TEMPORARY_ENDING.exec(name);
        if (owner) {
          if (!options.all && await inUse(path, owner[1], Number(owner[2]))) continue;
          await Deno.remove(path, { recursive: true });
          removed.push(path);
        } else if (isDirectory && !name.endsWith(".zarr")) folders.push(path);
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw toDataError(error, folder, "clean");
    }
  }
  return removed;
}

async function inUse(path: string, host: string, pid: number): Promise<boolean> {
  if (host !== machineName()) {
    const { mtime } = await Deno.stat(path);
    return mtime === null || Date.now() - mtime.getTime() < FOREIGN_AGE_MS;
  }
  try {
    builtin("node:process").kill(pid, 0); // signal 0 only asks
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "ESRCH";
  }
}

/**
 * Writes a file under a temporary name in the same folder and renames it, so that readers see the old or the new content, never half.
 *
 * @param content text, or pieces written one after the other, made when their turn comes where they are a generator's
 * @throws {DataError} when the folder is not writable or the disk is full; the temporary file is removed
 */
export async function writeFileAtomic(
  path: string,
  content: string | readonly Uint8Array[] | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = temporaryName(path);
  const writing = <T>(done: Promise<T>) =>
    done.catch((error) => {
      throw toDataError(error, path, "write");
    });
  try {
    const pieces = typeof content === "string" ? [new TextEncoder().encode(content)] : content;
    const file = await writing(Deno.open(temporary, { write: true, createNew: true }));
    try {
      for await (const piece of pieces) {
        for (let at = 0; at < piece.length;) {
          at += await writing(file.write(piece.subarray(at, at + (1 << 26))));
        }
      }
      await writing(file.sync());
    } finally {
      file.close();
    }
    await writing(Deno.rename(temporary, path));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Writes a value as indented JSON with a closing newline, atomically. @throws {DataError} as `writeFileAtomic` */
export function writeJsonAtomic(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, JSON.stringify(value, null, 1) + "\n");
}

/** Creates a folder with its parents. @throws {DataError} when that is not allowed or a file is in the way */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
    if (!(await Deno.stat(path)).isDirectory) throw new Deno.errors.NotADirectory(path);
  } catch (error) {
    throw toDataError(
      error instanceof Deno.errors.AlreadyExists ? new Deno.errors.NotADirectory(path) : error,
      path,
      "write",
    );
  }
}
