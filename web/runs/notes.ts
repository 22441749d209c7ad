import { type RunNote, runPaths } from "../../train/run_folder.ts";
import { HttpError } from "../route.ts";
import { resolveInside } from "../resolve_inside.ts";
import { stat } from "./log_source.ts";
import { isJson } from "./read_json.ts";

/** Size that notes.jsonl may reach, characters of a note, notes that are shown. */
const MAX_BYTES = 1 << 20, MAX_TEXT = 2000, MAX_NOTES = 200;

/** The newest notes of a run; lines that are damaged or half-written are left out. @param folder real path of the run */
export async function readNotes(folder: string): Promise<RunNote[]> {
  const path = await resolveInside(folder, "notes.jsonl");
  if (path === null || (stat(path)?.size ?? Infinity) > 2 * MAX_BYTES) return [];
  const lines = (await Deno.readTextFile(path).catch(() => "")).split("\n");
  return lines.slice(-1 - MAX_NOTES).flatMap((line) => {
    try {
      const note: unknown = JSON.parse(line);
      return isJson(note) && typeof note.text === "string" && typeof note.time === "number"
        ? [{ time: note.time, text: note.text }]
        : [];
    } catch {
      return [];
    }
  });
}

/**
 * Adds a note to a run and waits until it is on the disk.
 *
 * @param folder real path of the run
 * @throws {HttpError} 400 for a text that is empty or too long, 409 when the file is full or not writable
 */
export async function addNote(folder: string, text: unknown, time = Date.now()): Promise<void> {
  const note = typeof text === "string" ? text.trim() : "";
  if (note === "" || note.length > MAX_TEXT) {
    throw new HttpError(400, `Cannot add a note of ${note.length} characters: expected 1 to ${MAX_TEXT}`);
  }
  const path = runPaths(folder).notes;
  const { isFile = true, isSymlink = false, size = 0 } = await Deno.lstat(path).catch(() => null) ?? {};
  if (!isFile || isSymlink || size > MAX_BYTES) {
    throw new HttpError(
      409,
      `Cannot add a note to ${path}: expected a file below 1 MiB, found ${size} bytes: move it away`,
    );
  }
  try {
    using file = await Deno.open(path, { append: true, create: true });
    const bytes = new TextEncoder().encode(JSON.stringify({ time, text: note } satisfies RunNote) + "\n");
    if (await file.write(bytes) < bytes.length) throw new Error("the disk is full");
    await file.sync();
  } catch (error) {
    const { message } = error as Error;
    throw new HttpError(
      409,
      `Cannot add a note to ${path}: ${message}: the dashboard must be allowed to write there`,
    );
  }
}
