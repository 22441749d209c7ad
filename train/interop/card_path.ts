import { DataError } from "../../data/errors.ts";
import type { ExportRequest } from "./export_types.ts";

/** A line of the front matter of every card that is written here. */
export const CARD_MARK = "library_name: spark3d";

/**
 * Where the model card of an export goes: where the caller says, else README.md beside the file.
 *
 * @returns null when none is wanted
 * @throws {DataError} when a README.md stands there that is no model card of ours
 */
export async function cardPath({ out, card }: Pick<ExportRequest, "out" | "card">): Promise<string | null> {
  if (card !== undefined) return card;
  const path = out.replace(/[^/\\]*$/, "README.md");
  const found = await Deno.readTextFile(path).catch(() => null);
  if (found === null || found.startsWith("---\n") && found.includes(`\n${CARD_MARK}\n`)) return path;
  throw new DataError({
    file: path,
    action: "write",
    found: "a README.md that is no model card of Spark3D",
    wanted: "none",
    remedy: "export into a folder of its own, or name another file with --card, or none with --no-card",
  });
}
