import { writeJsonAtomic } from "../../data/atomic.ts";
import { exists, join, readJson } from "../paths.ts";

/** One use of the locked test cases. */
export interface FinalUse {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** SHA-256 of the study's configuration. */
  readonly config: string;
  /** Runs whose networks were tested. */
  readonly runs: number;
}

const recordPath = (study: string) => join(study, "final.json");

/** Every use of the locked test cases so far, oldest first. */
export async function finalUses(study: string): Promise<readonly FinalUse[]> {
  const path = recordPath(study);
  if (!await exists(path)) return [];
  return (await readJson(path) as { uses: FinalUse[] }).uses;
}

/** Records, before they are opened, that the test cases are used. */
export async function recordFinalUse(study: string, use: FinalUse): Promise<void> {
  await writeJsonAtomic(recordPath(study), { uses: [...await finalUses(study), use] });
}

/** SHA-256 of a configuration's JSON text, hexadecimal. */
export async function configDigest(config: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(config));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
