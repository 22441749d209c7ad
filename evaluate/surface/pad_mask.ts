import type { Dims3 } from "../../data/volume.ts";
import type { PaddedMask } from "./extract_surface.ts";

/** A box of voxels: first and one past the last index along each axis. */
export interface VoxelBox {
  readonly start: Dims3;
  readonly end: Dims3;
}

/**
 * Cuts a box out of a label map as a binary mask with a border of zeros.
 *
 * @param labels `[D, H, W]` of `shape`
 * @param member 1 at the labels that belong to the mask
 * @param scratch memory for the result, used when it is long enough
 */
export function padMask(
  labels: ArrayLike<number>,
  shape: Dims3,
  member: Uint8Array,
  { start, end }: VoxelBox,
  scratch?: Uint8Array,
): PaddedMask {
  const d = end[0] - start[0], h = end[1] - start[1], w = end[2] - start[2];
  const size = (d + 2) * (h + 2) * (w + 2);
  const data = scratch !== undefined && scratch.length >= size
    ? scratch.fill(0, 0, size)
    : new Uint8Array(size);
  const rows = new Uint8Array((d + 2) * (h + 2));
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      const row = (z + 1) * (h + 2) + y + 1;
      const from = ((start[0] + z) * shape[1] + start[1] + y) * shape[2] + start[2];
      const to = row * (w + 2) + 1;
      let any = 0;
      for (let x = 0; x < w; x++) any |= data[to + x] = member[labels[from + x]];
      rows[row] = any;
    }
  }
  return { data, shape: [d, h, w], rows };
}

/**
 * Bounding box of every label of a map.
 *
 * @param labels `[D, H, W]` of `shape`, values below `count`
 * @returns for each label six numbers: first and last index along the three axes; first > last where there is none
 */
export function labelBoxes(labels: ArrayLike<number>, shape: Dims3, count: number): Int32Array {
  const [d, h, w] = shape;
  const boxes = new Int32Array(6 * count);
  for (let label = 0; label < count; label++) boxes.set([d, -1, h, -1, w, -1], 6 * label);
  for (let z = 0, at = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w;) {
        const label = labels[at], first = x;
        do {
          x++;
          at++;
        } while (x < w && labels[at] === label);
        const box = 6 * label;
        if (z < boxes[box]) boxes[box] = z;
        boxes[box + 1] = z; // z only grows
        if (y < boxes[box + 2]) boxes[box + 2] = y;
        if (y > boxes[box + 3]) boxes[box + 3] = y;
        if (first < boxes[box + 4]) boxes[box + 4] = first;
        if (x - 1 > boxes[box + 5]) boxes[box + 5] = x - 1;
      }
    }
  }
  return boxes;
}

/** Smallest box around the labels in `member` in several maps; null when they are in none. @param all results of `labelBoxes` */
export function unionBox(all: readonly Int32Array[], member: Uint8Array): VoxelBox | null {
  const low = [Infinity, Infinity, Infinity], high = [-1, -1, -1];
  for (const boxes of all) {
    for (let label = 0; label < member.length; label++) {
      if (!member[label]) continue;
      for (let axis = 0; axis < 3; axis++) {
        low[axis] = Math.min(low[axis], boxes[6 * label + 2 * axis]);
        high[axis] = Math.max(high[axis], boxes[6 * label + 2 * axis + 1]);
      }
    }
  }
  if (high[0] < 0) return null;
  return { start: [low[0], low[1], low[2]], end: [high[0] + 1, high[1] + 1, high[2] + 1] };
}
