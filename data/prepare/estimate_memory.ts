import { builtin } from "../builtin.ts";
import { resampledShape } from "../resample.ts";
import { type Dims3, voxelCount } from "../volume.ts";

/** What the memory of an image depends on; sizes along z, y, x. */
export interface ImageSizes {
  /** Bytes of one volume as stored, decompressed. */
  readonly contentBytes: number;
  readonly shape: Dims3;
  /** mm along the axes of `shape`. */
  readonly spacing: Dims3;
  /** mm along the axes of `shape`; null keeps the spacing. */
  readonly targetSpacing: Dims3 | null;
  /** Number of masks that go along. */
  readonly masks: number;
}

/**
 * Most memory that one image takes while it is prepared, from its header: the stored voxels, float32 copies as read, reoriented,
 * transposed and cropped (as if nothing were cropped), and two arrays of the resampling, axis by axis; a mask takes the same in int32.
 */
export function estimateMemory({ contentBytes, shape, spacing, targetSpacing, masks }: ImageSizes): number {
  const newShape = targetSpacing ? resampledShape(shape, spacing, targetSpacing) : shape;
  const between = voxelCount(shape.map((size, axis) => Math.max(size, newShape[axis])));
  const copies = 4 * voxelCount(shape) * COPIES;
  const each = copies + 4 * between * (targetSpacing ? 2 : 1);
  return contentBytes + each * (1 + masks);
}

/** float32 arrays of the original size: as read, reoriented, transposed, cropped. */
const COPIES = 4;

/** Memory that images in work may take when nobody says: three quarters of the machine's, or of what its control group allows. */
export function defaultMemoryBytes(): number {
  return Math.floor(
    0.75 * Math.min(Deno.systemMemoryInfo().total, builtin("node:process").constrainedMemory()),
  );
}
