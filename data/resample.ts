import { type InterpolationOrder, resizeAxis } from "./spline_axis.ts";
import { type Dims3, voxelCount } from "./volume.ts";

/** A spacing is anisotropic beyond this ratio of its largest to its smallest step. */
const ANISOTROPY_THRESHOLD = 3;

/** Settings of resampling; defaults are those for images. */
export interface ResampleOptions {
  /** In-plane (or 3-D) order; 3 when left out. */
  readonly order?: InterpolationOrder;
  /** Order along the axis that is resampled separately; 0 when left out. */
  readonly orderZ?: InterpolationOrder;
  /** Overrules the decision by anisotropy when true or false. */
  readonly forceSeparateZ?: boolean | null;
}

/** Whether one axis is resampled apart from the other two, and which. */
export interface SeparateZ {
  readonly separate: boolean;
  readonly axis: number | null;
}

/** Rounds half to even, as IEEE 754 and Python's `round` do. */
export function roundHalfToEven(value: number): number {
  const floor = Math.floor(value), fraction = value - floor;
  if (fraction !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Shape after resampling: `round(old spacing / new spacing * size)` per axis, half to even; an axis may come out 0. */
export function resampledShape(shape: Dims3, spacing: Dims3, newSpacing: Dims3): Dims3 {
  const size = (axis: number) => roundHalfToEven(spacing[axis] / newSpacing[axis] * shape[axis]);
  return [size(0), size(1), size(2)];
}

/**
 * Decides whether thick slices are resampled apart: if the old spacing, else the new one, is anisotropic (ratio above 3) and one axis
 * alone has the largest step, then along that axis.
 *
 * Source: `determine_do_sep_z_and_axis` of nnU-Net v2; nnssl gives the same answers
 */
export function separateZ(spacing: Dims3, newSpacing: Dims3, force: boolean | null = null): SeparateZ {
  const ratio = (steps: Dims3) => Math.max(...steps) / Math.min(...steps);
  const decisive = force === true || ratio(spacing) > ANISOTROPY_THRESHOLD ? spacing : newSpacing;
  const wanted = force ?? ratio(decisive) > ANISOTROPY_THRESHOLD;
  if (!wanted) return { separate: false, axis: null };
  const largest = Math.max(...decisive);
  const axes = [0, 1, 2].filter((axis) => largest / decisive[axis] === 1);
  return axes.length === 1 ? { separate: true, axis: axes[0] } : { separate: false, axis: null };
}

/**
 * Resizes an image, one channel after the other.
 *
 * Output sample o lies at input coordinate `(o + 0.5) * old / new - 0.5`; edges are replicated, nothing is smoothed when shrinking, and
 * the result is clamped to the range of the input: of the channel, or of each slice when an axis is resampled separately.
 *
 * @param data `[C, D, H, W]`; not changed
 * @param shape `[D, H, W]` before, `newShape` after; with equal shapes the input itself comes back
 * @param spacing mm before, `newSpacing` after: they only decide about separate resampling
 * @throws {EmptyShapeError} if a new size is not a positive integer
 * Source: `resample_data_or_seg_to_shape` of nnU-Net v2 (order 3, order_z 0)
 */
export function resampleImage(
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
  options: ResampleOptions = {},
): Float32Array {
  checkShape(newShape);
  if (newShape.every((size, axis) => size === shape[axis])) return data;
  const { separate, axis } = separateZ(spacing, newSpacing, options.forceSeparateZ ?? null);
  const voxels = voxelCount(shape), newVoxels = voxelCount(newShape);
  const channels = data.length / voxels;
  const output = channels === 1 ? null : new Float32Array(channels * newVoxels);
  for (let c = 0; c < channels; c++) {
    const channel = data.subarray(c * voxels, (c + 1) * voxels);
    const order = options.order ?? 3;
    const resized = separate
      ? resizeSlices(channel, shape, newShape, axis!, order, options.orderZ ?? 0)
      : resizeClamped(channel, shape, newShape, order);
    if (!output) return resized;
    output.set(resized, c * newVoxels);
  }
  return output!;
}

/** A shape to resample to that has an axis without a voxel. */
export class EmptyShapeError extends RangeError {
  override readonly name = "EmptyShapeError";

  constructor(readonly shape: Dims3) {
    super(
      `Cannot resample: found new shape ${
        shape.join("x")
      }, wanted at least one voxel per axis: choose a finer spacing`,
    );
  }
}

/** @throws {EmptyShapeError} unless every size is a positive integer */
export function checkShape(shape: Dims3): void {
  if (!shape.every((size) => Number.isInteger(size) && size >= 1)) throw new EmptyShapeError(shape);
}

/** Resizes the given axes one after the other, those that shrink most first; axes of unchanged size are left alone. */
function resizeAxes(
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  axes: readonly number[],
  order: InterpolationOrder,
) {
  const ordered = axes.filter((axis) => newShape[axis] !== shape[axis])
    .sort((a, b) => newShape[a] / shape[a] - newShape[b] / shape[b]);
  let current = data;
  const size: [number, number, number] = [...shape];
  for (const axis of ordered) {
    current = resizeAxis(current, size, axis, newShape[axis], order);
    size[axis] = newShape[axis];
  }
  return current;
}

function resizeClamped(
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  order: InterpolationOrder,
): Float32Array {
  const resized = resizeAxes(data, shape, newShape, [0, 1, 2], order);
  if (order === 0 || resized === data) return resized;
  clampTo(resized, 0, resized.length, rangeOf(data, 0, data.length));
  return resized;
}

type Range = readonly [low: number, high: number];

/** Smallest and largest of `data[from..until)`, joined with what is known already. */
function rangeOf(
  data: Float32Array,
  from: number,
  until: number,
  known: Range = [Infinity, -Infinity],
): Range {
  let [low, high] = known;
  for (let i = from; i < until; i++) {
    const value = data[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function clampTo(data: Float32Array, from: number, until: number, [low, high]: Range): void {
  for (let i = from; i < until; i++) {
    const value = data[i];
    if (value < low) data[i] = low;
    else if (value > high) data[i] = high;
  }
}

function resizeSlices(
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  axis: number,
  order: InterpolationOrder,
  orderZ: InterpolationOrder,
): Float32Array {
  const inPlane = [0, 1, 2].filter((other) => other !== axis);
  const sliceShape: [number, number, number] = [...newShape];
  sliceShape[axis] = shape[axis];
  const resized = resizeAxes(data, shape, sliceShape, inPlane, order);
  if (order !== 0 && resized !== data) clampSlices(resized, sliceShape, data, shape, axis);
  if (newShape[axis] === shape[axis]) return resized;
  return resizeAxis(resized, sliceShape, axis, newShape[axis], orderZ);
}

/** Clamps every slice along `axis` to the range of the same slice before resizing. */
function clampSlices(
  resized: Float32Array,
  newShape: Dims3,
  data: Float32Array,
  shape: Dims3,
  axis: number,
): void {
  if (axis === 2) return clampColumns(resized, data, shape[axis]);
  const ranges: Range[] = Array.from({ length: shape[axis] }, () => [Infinity, -Infinity]);
  forEachRun(shape, axis, (slice, from, until) => {
    ranges[slice] = rangeOf(data, from, until, ranges[slice]);
  });
  forEachRun(newShape, axis, (slice, from, until) => clampTo(resized, from, until, ranges[slice]));
}

/** Clamps every column of a matrix of `width` columns to the range of the same column of another. */
function clampColumns(resized: Float32Array, data: Float32Array, width: number): void {
  const low = new Float32Array(width).fill(Infinity), high = new Float32Array(width).fill(-Infinity);
  for (let i = 0, x = 0; i < data.length; i++, x = x + 1 === width ? 0 : x + 1) {
    const value = data[i];
    if (value < low[x]) low[x] = value;
    if (value > high[x]) high[x] = value;
  }
  for (let i = 0, x = 0; i < resized.length; i++, x = x + 1 === width ? 0 : x + 1) {
    const value = resized[i];
    if (value < low[x]) resized[i] = low[x];
    else if (value > high[x]) resized[i] = high[x];
  }
}

/** Visits contiguous runs of voxels with the same index along `axis`. */
function forEachRun(
  shape: Dims3,
  axis: number,
  visit: (slice: number, from: number, until: number) => void,
): void {
  const inner = voxelCount(shape.slice(axis + 1));
  const outer = voxelCount(shape.slice(0, axis));
  for (let o = 0, at = 0; o < outer; o++) {
    for (let slice = 0; slice < shape[axis]; slice++, at += inner) visit(slice, at, at + inner);
  }
}
