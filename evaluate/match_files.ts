import { DataError, toDataError } from "../data/errors.ts";
import { imageStem, isImageName } from "../data/image_names.ts";

/** Files of one case. */
export interface FilePair {
  readonly id: string;
  readonly reference: string;
  readonly prediction: string;
}

/** Which files belong together. */
export interface MatchFilesOptions {
  readonly predictions: string;
  readonly labels: string;
  readonly cases?: readonly string[];
  readonly allowMissing?: boolean;
}

/**
 * Pairs the label maps of two folders by name without image ending.
 *
 * @returns pairs sorted by id, and remarks on predictions that have no reference
 * @throws {DataError} when a folder cannot be listed, a name is there twice, a case has no reference or no prediction, or none is left
 */
export async function matchFiles(
  options: MatchFilesOptions,
): Promise<{ pairs: readonly FilePair[]; warnings: string[] }> {
  const { predictions, labels, cases, allowMissing = false } = options;
  const references = await imagesById(labels);
  const predicted = await imagesById(predictions);
  const ids = [...new Set(cases ?? references.keys())].sort();
  const unlabelled = ids.filter((id) => !references.has(id));
  if (unlabelled.length > 0) throw missing(labels, "reference", unlabelled, ids.length);
  const absent = ids.filter((id) => !predicted.has(id));
  const present = ids.filter((id) => predicted.has(id));
  if (present.length === 0 || (absent.length > 0 && !allowMissing)) {
    if (ids.length === 0) throw noFiles(labels);
    throw missing(predictions, "prediction", absent, ids.length);
  }
  const extra = cases === undefined ? [...predicted.keys()].filter((id) => !references.has(id)).sort() : [];
  return {
    pairs: present.map((id) => ({ id, reference: references.get(id)!, prediction: predicted.get(id)! })),
    warnings: [
      ...(absent.length > 0 ? [`${some(absent)} without a prediction, left out`] : []),
      ...(extra.length > 0 ? [`${some(extra)} predicted but without a reference, left out`] : []),
    ],
  };
}

/**
 * Images of a folder by their names without ending, in order.
 *
 * @param action verb of messages
 * @throws {DataError} when the folder cannot be listed, or a name is there twice
 */
export async function imagesById(folder: string, action = "evaluate"): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  try {
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).filter(isImageName);
    for (const name of names.sort()) {
      const id = imageStem(name);
      if (found.has(id)) {
        throw new DataError({
          file: folder,
          action,
          found: `${found.get(id)!.split("/").at(-1)} and ${name}`,
          wanted: "one file a case",
          remedy: "remove one of them",
        });
      }
      found.set(id, `${folder}/${name}`);
    }
  } catch (error) {
    throw toDataError(error, folder, "list");
  }
  return found;
}

function missing(folder: string, what: string, ids: readonly string[], total: number): DataError {
  return new DataError({
    file: folder,
    action: "evaluate",
    found: `no ${what} for ${some(ids)} of ${total}`,
    wanted: `a ${what} for every case`,
    remedy: what === "prediction"
      ? "predict the missing ones, or allow them to be missing"
      : "check the names of the cases",
  });
}

function noFiles(folder: string): DataError {
  return new DataError({
    file: folder,
    action: "evaluate",
    found: "no label maps",
    wanted: "files such as CASE.nii.gz",
    remedy: "name the folder of reference segmentations",
  });
}

/** `3 cases (a, b, c)`. */
function some(ids: readonly string[]): string {
  const shown = ids.length > 4 ? [...ids.slice(0, 3), "..."] : ids;
  return `${ids.length} case${ids.length === 1 ? "" : "s"} (${shown.join(", ")})`;
}
