import { imageStem } from "./image_names.ts";
import type { PretrainEntry } from "./pretrain_data.ts";

/** Masks that are kept beside an image, with the ending of their names. */
const MASK_ENDINGS = { anonymization: "__anon", anatomy: "__anat" } as const;

/** Path of a mask of the image whose array has this path: `STEM__anon.zarr` or `STEM__anat.zarr`. */
export function maskPath(imagePath: string, mask: keyof typeof MASK_ENDINGS): string {
  return imagePath.replace(/\.zarr$/, `${MASK_ENDINGS[mask]}.zarr`);
}

/**
 * Path of the array of every image below the store: `collection/dataset/subject/session/STEM.zarr`, made of characters that any file
 * system takes; two ids that would meet, or meet the other's mask, get a number.
 *
 * @returns image id -> relative path
 */
export function preparedPaths(entries: readonly PretrainEntry[]): Map<string, string> {
  const taken = new Set<string>();
  const numbers = new Map<string, number>(); // last number given to a stem
  const paths = new Map<string, string>();
  for (const { collection, dataset, subject, session, image, imageId } of entries) {
    const stem = [collection, dataset, subject, session, imageStem(image.name)].map(safeName).join("/");
    const key = stem.toLowerCase();
    let number = numbers.get(key) ?? 1;
    let path = number === 1 ? `${stem}.zarr` : `${stem}-${number}.zarr`;
    while (names(path).some((name) => taken.has(name))) path = `${stem}-${++number}.zarr`;
    numbers.set(key, number);
    for (const name of names(path)) taken.add(name);
    paths.set(imageId, path);
  }
  return paths;
}

/** What an image and its masks are called where capitals make no difference. */
function names(path: string): string[] {
  return [path, maskPath(path, "anonymization"), maskPath(path, "anatomy")].map((name) => name.toLowerCase());
}

/** Longest path component in bytes: file systems take 255, and endings and temporary names need some. */
const MAX_COMPONENT_BYTES = 120;

/** A text as one path component: letters, digits, `.`, `_`, `+`, `-`; neither empty nor starting with a dot. */
export function safeName(part: string): string {
  const name = part.normalize("NFC").replace(/[^\p{L}\p{N}._+-]/gu, "_").replace(/^\.+/, "_");
  const room = new Uint8Array(MAX_COMPONENT_BYTES);
  const { read } = new TextEncoder().encodeInto(name, room);
  return name === "" ? "_" : name.slice(0, read);
}
