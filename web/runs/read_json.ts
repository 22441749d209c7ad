import { resolveInside } from "../resolve_inside.ts";
import type { Json } from "./run_facts.ts";

/** Largest JSON file that is read. */
const MAX_BYTES = 16 << 20;

/**
 * An object in a JSON file; null when there is no such file below the folder, or none that can be read: somebody may be writing it.
 *
 * @param folder real path
 */
export async function readJson(folder: string, name: string): Promise<Json | null> {
  const path = await resolveInside(folder, name);
  if (path === null) return null;
  try {
    if ((await Deno.stat(path)).size > MAX_BYTES) return null;
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    return isJson(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether a value is a JSON object. */
export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
