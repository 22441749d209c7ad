import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CliError, fileError } from "./errors.ts";

/** Path of a `file:` URL. */
export const fromFileUrl = (url: URL): string => fileURLToPath(url);

export { basename, dirname, isAbsolute, join, resolve };

/** Whether a path exists; only "not found" counts as no. */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw fileError("look at", path, error);
  }
}

/** Checks that a folder is there before work on it begins; `action` is for the message. */
export async function requireFolder(action: string, path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    throw fileError(action, path, error);
  }
  if (!info.isDirectory) {
    throw new CliError(`Cannot ${action} ${path}: it is a file, expected a folder: check the path`);
  }
}

/** Names in a folder; none when there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError("list", path, error);
  }
}

/** Makes a folder for results and proves that it takes files. */
export async function makeWritableFolder(path: string): Promise<void> {
  const probe = join(path, `.write_test_${crypto.randomUUID()}.tmp`);
  try {
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeFile(probe, new Uint8Array(1));
    await Deno.remove(probe);
  } catch (error) {
    throw fileError("write to", path, error);
  }
}

/** Reads a JSON file. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(`Cannot read ${path}: it is not JSON (${reason}): correct the file`, 1, {
      cause: error,
    });
  }
}

/** `20261123-142501`, local time. */
export function timeName(date: Date): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}${pad(date.getMonth() + 1)}${pad(date.getDate())}`;
  return `${day}-${pad(date.getHours())}${pad(date.getMinutes())}${pad(date.getSeconds())}`;
}
