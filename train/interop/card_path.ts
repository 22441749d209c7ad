import { DataError, toDataError } from "../../data/errors.ts";
import type { ExportRequest } from "./export_types.ts";

/** A line of the front matter of every card that is written here. */
export const CARD_MARK = "library_name: spark3d";

/** Bytes in which a card has its mark. */
const FRONT = 1024;

/** Where the model card of an export goes: where the caller says, else README.md beside the file; null when none is wanted. */
export function cardPath({ out, card }: Pick<ExportRequest, "out" | "card">): string | null {
  return card === undefined ? out.replace(/[^/\\]*$/, "README.md") : card;
}

/**
 * Refuses to replace by a card what is none.
 *
 * @throws {DataError} when something else stands there, or cannot be read
 */
export async function requireCard(path: string): Promise<void> {
  const found = await beginning(path);
  if (found === null || found.startsWith("---\n") && found.includes(`\n${CARD_MARK}\n`)) return;
  throw new DataError({
    file: path,
    action: "write",
    found: "a file that is no model card of Spark3D",
    wanted: "none",
    remedy: "export into a folder of its own, or name another file with --card, or none with --no-card",
  });
}

/** The first characters of a file; null where there is none. */
async function beginning(path: string): Promise<string | null> {
  try {
    using file = await Deno.open(path);
    const bytes = new Uint8Array(FRONT);
    return new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw toDataError(error, path);
  }
}
