import { type Dims3, voxelCount } from "./volume.ts";

/** Half-open box of voxels in array order: `start` inside, `stop` one past the last. */
export interface Box3 {
  readonly start: Dims3;
  readonly stop: Dims3;
}

/** Size of a box along each axis. */
export function boxSize({ start, stop }: Box3): Dims3 {
  return [stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]];
}

/**
 * Mask of voxels that are not zero in at least one channel.
 *
 * @param data `[C, D, H, W]`
 * @returns `[D, H, W]`, 1 or 0
 */
export function nonzeroMask(data: ArrayLike<number>, shape: Dims3): Uint8Array {
  const voxels = voxelCount(shape);
  const mask = new Uint8Array(voxels);
  for (let at = 0, i = 0; at < data.length; at++, i = i + 1 === voxels ? 0 : i + 1) {
    if (data[at] !== 0) mask[i] = 1;
  }
  return mask;
}

/**
 * Fills holes in place: background that no path of face neighbours (6-connectivity) joins to the border becomes 1.
 *
 * The bounding box of the mask does not change, since every hole lies inside it.
 */
export function fillHoles(mask: Uint8Array, shape: Dims3): Uint8Array {
  const [d, h, w] = shape;
  const plane = h * w;
  const OUTSIDE = 2;
  let stack = new Int32Array(1 << 16);
  let top = 0;
  const push = (at: number) => {
    if (mask[at] !== 0) return;
    mask[at] = OUTSIDE;
    if (top === stack.length) {
      const larger = new Int32Array(2 * top);
      larger.set(stack);
      stack = larger;
    }
    stack[top++] = at;
  };
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      const row = z * plane + y * w;
      const wholeRow = z === 0 || z === d - 1 || y === 0 || y === h - 1;
      if (wholeRow) { for (let x = 0; x < w; x++) push(row + x); }
      push(row);
      push(row + w - 1);
    }
  }
  while (top > 0) {
    const at = stack[--top];
    const z = (at / plane) | 0, within = at - z * plane;
    const y = (within / w) | 0, x = within - y * w;
    if (x > 0) push(at - 1);
    if (x < w - 1) push(at + 1);
    if (y > 0) push(at - w);
    if (y < h - 1) push(at + w);
    if (z > 0) push(at - plane);
    if (z < d - 1) push(at + plane);
  }
  for (let i = 0; i < mask.length; i++) mask[i] = mask[i] === OUTSIDE ? 0 : 1;
  return mask;
}

/** Smallest box around all voxels that are not zero in some channel of `[C, D, H, W]`; null when there is none. */
export function nonzeroBox(data: ArrayLike<number>, shape: Dims3): Box3 | null {
  const [d, h, w] = shape;
  const start: [number, number, number] = [d, h, w];
  const stop: [number, number, number] = [0, 0, 0];
  for (let row = 0; row < data.length / w; row++) {
    const at = row * w;
    let first = 0;
    while (first < w && data[at + first] === 0) first++;
    if (first === w) continue;
    let last = w - 1;
    while (data[at + last] === 0) last--;
    const y = row % h;
    const z = Math.floor(row / h) % d;
    if (z < start[0]) start[0] = z;
    if (z >= stop[0]) stop[0] = z + 1;
    if (y < start[1]) start[1] = y;
    if (y >= stop[1]) stop[1] = y + 1;
    if (first < start[2]) start[2] = first;
    if (last >= stop[2]) stop[2] = last + 1;
  }
  return stop[0] === 0 ? null : { start, stop };
}

/** Copies a box out of `[C, D, H, W]`; the result has the input's array type. */
export function cropBox<T extends Float32Array | Int32Array | Uint8Array>(
  data: T,
  shape: Dims3,
  box: Box3,
): T {
  const [d, h, w] = shape;
  const size = boxSize(box);
  const channels = data.length / voxelCount(shape);
  const cropped = new (data.constructor as new (length: number) => T)(channels * voxelCount(size));
  let to = 0;
  for (let c = 0; c < channels; c++) {
    for (let z = box.start[0]; z < box.stop[0]; z++) {
      for (let y = box.start[1]; y < box.stop[1]; y++, to += size[2]) {
        const from = ((c * d + z) * h + y) * w + box.start[2];
        cropped.set(data.subarray(from, from + size[2]), to);
      }
    }
  }
  return cropped;
}

/** Result of `cropToNonzero`. */
export interface NonzeroCrop {
  readonly data: Float32Array;
  readonly shape: Dims3;
  readonly box: Box3;
  /** The filled non-zero mask in the box, 1 or 0. `[D, H, W]` */
  readonly inside: Uint8Array;
}

/**
 * Crops an image to the bounding box of the non-zero voxels.
 *
 * @param data `[C, D, H, W]`
 * @returns null for an all-zero image
 * Source: `crop_to_nonzero` of nnU-Net v2 and nnssl
 */
export function cropToNonzero(data: Float32Array, shape: Dims3): NonzeroCrop | null {
  const box = nonzeroBox(data, shape);
  if (!box) return null;
  const inside = cropBox(fillHoles(nonzeroMask(data, shape), shape), shape, box);
  return { data: cropBox(data, shape, box), shape: boxSize(box), box, inside };
}

/**
 * Crops a label map as its image was cropped; labels 0 outside the filled non-zero mask become -1.
 *
 * @param labels `[D, H, W]` of the shape before cropping
 */
export function cropLabels(
  labels: Int32Array,
  shape: Dims3,
  { box, inside }: Pick<NonzeroCrop, "box" | "inside">,
): Int32Array {
  const cropped = cropBox(labels, shape, box);
  for (let i = 0; i < cropped.length; i++) if (inside[i] === 0 && cropped[i] === 0) cropped[i] = -1;
  return cropped;
}
