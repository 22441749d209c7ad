import { makeFolder, writeJsonAtomic } from "../data/atomic.ts";
import { z } from "./deps.ts";

const rate = z.number().positive();
const peakSchema = z.strictObject({
  flopPerSecond: rate,
  bytesPerSecond: rate,
  /** When it was measured, milliseconds since 1970. */
  time: z.number(),
});
const fileSchema = z.record(z.string(), peakSchema);

/** What an adapter can do at most, measured by `spark3d bench`: multiply-adds of f32 from registers, and a copy. */
export type AdapterPeak = z.infer<typeof peakSchema>;

/**
 * Path of the measured peaks of this user's adapters: `spark3d/adapter_peaks.json` in `XDG_CACHE_HOME`, by default `~/.cache`.
 * @returns null where there is no home folder, or no right to ask for it
 */
function peaksPath(): string | null {
  try {
    const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
    const cache = Deno.env.get("XDG_CACHE_HOME") ?? (home && `${home}/.cache`);
    return cache ? `${cache}/spark3d/adapter_peaks.json` : null;
  } catch {
    return null;
  }
}

/** The peak of an adapter by its name; null where nobody measured it or the file cannot be read: nothing depends on it. */
export async function readAdapterPeak(adapter: string): Promise<AdapterPeak | null> {
  return (await readPeaks())[adapter] ?? null;
}

/**
 * Keeps the measured peak of an adapter for later runs on this machine.
 *
 * @returns path of the file, null where there is no place for it
 * @throws {DataError} when the folder is not writable
 */
export async function saveAdapterPeak(adapter: string, peak: AdapterPeak): Promise<string | null> {
  const path = peaksPath();
  if (path === null) return null;
  await makeFolder(path.slice(0, path.lastIndexOf("/")));
  await writeJsonAtomic(path, { ...await readPeaks(), [adapter]: peak });
  return path;
}

async function readPeaks(): Promise<z.infer<typeof fileSchema>> {
  const path = peaksPath();
  if (path === null) return {};
  try {
    return fileSchema.parse(JSON.parse(await Deno.readTextFile(path)));
  } catch {
    return {}; // never measured, or damaged: the next measurement writes it anew
  }
}
