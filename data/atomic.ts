import { toDataError } from "./errors.ts";

let counter = 0;

/** A name beside `path` that no other process of this machine picks; ends in `.tmp`. */
export function temporaryName(path: string): string {
  return `${path}.${Deno.pid}.${++counter}.tmp`;
}

/**
 * Writes a file under a temporary name in the same folder and renames it, so that readers see the old or the new content, never half.
 *
 * @param content text, or pieces written one after the other
 * @throws {DataError} when the folder is not writable or the disk is full; the temporary file is removed
 */
export async function writeFileAtomic(path: string, content: string | readonly Uint8Array[]): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const pieces = typeof content === "string" ? [new TextEncoder().encode(content)] : content;
    const file = await Deno.open(temporary, { write: true, createNew: true });
    try {
      for (const piece of pieces) {
        for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at, at + (1 << 26)));
      }
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw toDataError(error, path, "write");
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
