/** Endings of readable image files, longest first. */
export const IMAGE_ENDINGS = [".nii.gz", ".nrrd", ".nii", ".mha"] as const;

/** File name without its image ending; other names stay as they are. */
export function imageStem(name: string): string {
  const ending = IMAGE_ENDINGS.find((candidate) => name.toLowerCase().endsWith(candidate));
  return ending ? name.slice(0, -ending.length) : name;
}

/** True for names that end like a readable image and are not hidden. */
export function isImageName(name: string): boolean {
  return imageStem(name) !== name && !name.startsWith(".");
}

/** True for the usual endings of one file of a DICOM series. */
export function isDicomName(name: string): boolean {
  return /\.(dcm|dicom|ima)$/i.test(name) && !name.startsWith(".");
}

/** BIDS suffix of a file name: the last `_` part of the stem, for example `T1w`. */
export function bidsSuffix(name: string): string {
  return imageStem(name).split("_").at(-1)!;
}
