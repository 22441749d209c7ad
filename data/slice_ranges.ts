import { type Dims3, voxelCount } from "./volume.ts";

/**
 * Smallest and largest value of every slice along an axis, or of everything when the axis is null.
 *
 * @param data `[D, H, W]` of `shape`
 * @returns `[slices, 2]`
 */
export function sliceRanges(
  data: Float32Array,
  shape: Dims3,
  axis: 0 | 1 | 2 | null,
): Float32Array<ArrayBuffer> {
  const slices = axis === null ? 1 : shape[axis];
  const ranges = Float32Array.from({ length: 2 * slices }, (_, i) => (i & 1 ? -Infinity : Infinity));
  forEachRun(data.length, shape, axis, (slice, from, until) => {
    let low = ranges[2 * slice], high = ranges[2 * slice + 1];
    for (let i = from; i < until; i++) {
      const value = data[i];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    ranges[2 * slice] = low;
    ranges[2 * slice + 1] = high;
  });
  return ranges;
}

/**
 * Clamps every slice along an axis, or everything, in place.
 *
 * @param data `[D, H, W]` of `shape`
 * @param ranges as `sliceRanges` gives them, of an array with as many slices
 */
export function clampSlices(
  data: Float32Array,
  shape: Dims3,
  axis: 0 | 1 | 2 | null,
  ranges: Float32Array,
): void {
  forEachRun(data.length, shape, axis, (slice, from, until) => {
    const low = ranges[2 * slice], high = ranges[2 * slice + 1];
    for (let i = from; i < until; i++) {
      const value = data[i];
      if (value < low) data[i] = low;
      else if (value > high) data[i] = high;
    }
  });
}

/** Visits contiguous runs of voxels of one slice: everything, or as many as lie together. */
function forEachRun(
  voxels: number,
  shape: Dims3,
  axis: 0 | 1 | 2 | null,
  visit: (slice: number, from: number, until: number) => void,
): void {
  if (axis === null) return visit(0, 0, voxels);
  const inner = voxelCount(shape.slice(axis + 1));
  for (let slice = 0, at = 0; at < voxels; at += inner) {
    visit(slice, at, at + inner);
    slice = slice + 1 === shape[axis] ? 0 : slice + 1;
  }
}
