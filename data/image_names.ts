/** Endings of readable images, longest first. */
export const IMAGE_ENDINGS = [".nii.gz", ".nii"] as const;

/** File name without its image ending; other names stay as they are. */
export function imageStem(name: string): string {
  const ending = IMAGE_ENDINGS.find((candidate) => name.toLowerCase().endsWith(candidate));
  return ending ? name.slice(0, -ending.length) : name;
}

/** True for names that end like a readable image and are not hidden. */
export function isImageName(name: string): boolean {
  return imageStem(name) !== name && !name.startsWith(".");
}

/** BIDS suffix of a file name: the last `_` part of the stem, for example `T1w`. */
export function bidsSuffix(name: string): string {
  return imageStem(name).split("_").at(-1)!;
}
