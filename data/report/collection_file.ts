import { DataError, toDataError } from "../errors.ts";
import { type PretrainData, pretrainDataSchema } from "../pretrain_data.ts";

/** Name of the file in a store that lists the collection as it was found. */
export const COLLECTION_FILE = "pretrain_data.json";

/**
 * Reads the collection that a store was made from, with its paths as they are written: a report opens none of them, so their variables
 * need no value.
 *
 * @param store folder of the store
 * @returns null when the store has no such file
 * @throws {DataError} when it is damaged
 */
export async function readCollection(store: string): Promise<PretrainData | null> {
  const file = `${store}/${COLLECTION_FILE}`;
  let found: string;
  try {
    const checked = pretrainDataSchema.safeParse(JSON.parse(await Deno.readTextFile(file)));
    if (checked.success) return checked.data;
    const issue = checked.error.issues[0];
    found = `${issue.path.join(".") || "the top level"}: ${issue.message}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (!(error instanceof SyntaxError)) throw toDataError(error, file);
    found = "damaged JSON";
  }
  const remedy = "run prepare again, which writes it anew, or remove the file";
  throw new DataError({ file, found, wanted: "a pre-training collection", remedy });
}
