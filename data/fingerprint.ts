import type { Dims3 } from "./volume.ts";

/** Content of dataset_fingerprint.json: spacing of every image in mm, array order (z, y, x), after reorientation. */
export interface DatasetFingerprint {
  readonly spacings: readonly Dims3[];
}

/** 50th percentile of the spacings per axis, linear between the two middle values. @throws {RangeError} without images */
export function medianSpacing({ spacings }: DatasetFingerprint): Dims3 {
  if (spacings.length === 0) throw new RangeError("Cannot take a median spacing: found no image");
  const median = (axis: number) => {
    const sorted = spacings.map((spacing) => spacing[axis]).sort((a, b) => a - b);
    const middle = (sorted.length - 1) / 2;
    return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  };
  return [median(0), median(1), median(2)];
}
