import { clampSlices, sliceRanges } from "./slice_ranges.ts";
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
  readonly axis: 0 | 1 | 2 | null;
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
  const axes = ([0, 1, 2] as const).filter((axis) => largest / decisive[axis] === 1);
  return axes.length === 1 ? { separate: true, axis: axes[0] } : { separate: false, axis: null };
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

/** One step of resampling; every step takes what the one before made. */
export type ResampleStep =
  | {
    readonly kind: "resize";
    readonly axis: 0 | 1 | 2;
    readonly size: number;
    readonly order: InterpolationOrder;
  }
  /** To the range of the image before all steps: of each slice along an axis, or of everything. */
  | { readonly kind: "clamp"; readonly axis: 0 | 1 | 2 | null };

/**
 * The steps that resample one channel: axes in turn, those that shrink most first, then clamping; with a separate axis the other two,
 * clamping of every slice, then that axis. Axes of unchanged size are left alone.
 *
 * @param shape `[D, H, W]` before, `newShape` after
 * @param spacing mm before, `newSpacing` after: they only decide about separate resampling
 * @throws {EmptyShapeError} if a new size is not a positive integer
 * Source: `resample_data_or_seg_to_shape` of nnU-Net v2 (order 3, order_z 0)
 */
export function resampleSteps(
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
  options: ResampleOptions = {},
): readonly ResampleStep[] {
  checkShape(newShape);
  const changed = ([0, 1, 2] as const).filter((axis) => newShape[axis] !== shape[axis]);
  const { axis: apart } = separateZ(spacing, newSpacing, options.forceSeparateZ ?? null);
  const order = options.order ?? 3;
  const resize = (axis: 0 | 1 | 2, order: InterpolationOrder): ResampleStep => ({
    kind: "resize",
    axis,
    size: newShape[axis],
    order,
  });
  const together = changed.filter((axis) => axis !== apart)
    .sort((a, b) => newShape[a] / shape[a] - newShape[b] / shape[b]);
  const steps = together.map((axis) => resize(axis, order));
  if (order !== 0 && steps.length > 0) steps.push({ kind: "clamp", axis: apart });
  return apart !== null && changed.includes(apart) ? [...steps, resize(apart, options.orderZ ?? 0)] : steps;
}

/**
 * Resizes an image, one channel after the other.
 *
 * Output sample o lies at input coordinate `(o + 0.5) * old / new - 0.5`; edges are replicated, nothing is smoothed when shrinking, and
 * the result is clamped to the range of the input: of the channel, or of each slice when an axis is resampled separately.
 *
 * @param data `[C, D, H, W]`; not changed
 * @param shape `[D, H, W]` before, `newShape` after; with equal shapes the input itself comes back
 * @param spacing mm before, `newSpacing` after, as {@link resampleSteps} takes them
 * @throws {EmptyShapeError} if a new size is not a positive integer
 */
export function resampleImage(
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
  options: ResampleOptions = {},
): Float32Array {
  const steps = resampleSteps(shape, newShape, spacing, newSpacing, options);
  if (steps.length === 0) return data;
  const voxels = voxelCount(shape), newVoxels = voxelCount(newShape);
  const channels = data.length / voxels;
  if (channels === 1) return runSteps(data, shape, steps);
  const output = new Float32Array(channels * newVoxels);
  for (let c = 0; c < channels; c++) {
    output.set(runSteps(data.subarray(c * voxels, (c + 1) * voxels), shape, steps), c * newVoxels);
  }
  return output;
}

/** Runs steps on one channel `[D, H, W]`. The result is a new array unless there are no steps. */
export function runSteps(data: Float32Array, shape: Dims3, steps: readonly ResampleStep[]): Float32Array {
  const size: [number, number, number] = [...shape];
  let current = data;
  for (const step of steps) {
    if (step.kind === "clamp") clampSlices(current, size, step.axis, sliceRanges(data, shape, step.axis));
    else {
      current = resizeAxis(current, size, step.axis, step.size, step.order);
      size[step.axis] = step.size;
    }
  }
  return current;
}
