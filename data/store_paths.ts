import { imageStem } from "./image_names.ts";
import type { PretrainEntry } from "./pretrain_data.ts";

/**
 * Path of the array of every image below the store: `collection/dataset/subject/session/STEM.zarr`, made of characters that any file
 * system takes; two ids that would meet get a number.
 *
 * @returns image id -> relative path
 */
export function preparedPaths(entries: readonly PretrainEntry[]): Map<string, string> {
  const taken = new Set<string>();
  const paths = new Map<string, string>();
  for (const { collection, dataset, subject, session, image, imageId } of entries) {
    const stem = [collection, dataset, subject, session, imageStem(image.name)].map(safeName).join("/");
    let path = `${stem}.zarr`;
    for (let number = 2; taken.has(path.toLowerCase()); number++) path = `${stem}-${number}.zarr`;
    taken.add(path.toLowerCase());
    paths.set(imageId, path);
  }
  return paths;
}

/** One path component: letters, digits, `.`, `_`, `+`, `-`; neither empty nor starting with a dot; at most 120 characters. */
function safeName(part: string): string {
  const name = part.normalize("NFC").replace(/[^\p{L}\p{N}._+-]/gu, "_").replace(/^\.+/, "_").slice(0, 120);
  return name === "" ? "_" : name;
}
