import { LimitError } from "../kernels/errors.ts";
import type { AxisTable } from "../kernels/ops/resize/taps.ts";
import type { DeviceFacts, Dims3 } from "../kernels/spec.ts";
import type { ResampleStep } from "../data/resample.ts";

/** Bytes that one tensor of a slab takes at most: large enough to keep a GPU busy, small beside its memory. */
const SLAB_BYTES = 128 * 2 ** 20;

/** Some planes of the result and the planes of the image that they need. */
export interface Slab {
  /** First plane of the result. */
  readonly to: number;
  /** First plane of the image. */
  readonly from: number;
}

/** A volume cut into slabs of equal shapes, so that one plan serves all; the last ones overlap rather than be smaller. */
export interface SlabCut {
  /** Planes of the image that a slab reads. */
  readonly planesIn: number;
  /** Planes of the result that a slab makes. */
  readonly planesOut: number;
  readonly slabs: readonly Slab[];
}

/**
 * Cuts the result of resampling steps along D so that every tensor of a slab fits the device.
 *
 * @param shape `[D, H, W]` of the image
 * @param along table of the step along D; null when D does not change
 * @param most bytes of one tensor beside the device's limits
 * @throws {LimitError} when the planes that one plane of the result needs are too large already
 */
export function cutSlabs(
  shape: Dims3,
  steps: readonly ResampleStep[],
  along: AxisTable | null,
  device: Pick<DeviceFacts, "maxBinding" | "maxBuffer">,
  most = SLAB_BYTES,
): SlabCut {
  const limit = Math.min(device.maxBinding, device.maxBuffer, most);
  const depth = along ? along.first.length : shape[0];
  const window = (planes: number) => windows(shape[0], depth, planes, along);
  let fits = 0;
  for (let low = 1, high = depth; low <= high;) {
    const planes = (low + high) >> 1;
    if (largestTensor(shape, steps, window(planes).planesIn, planes) <= limit) {
      fits = planes;
      low = planes + 1;
    } else high = planes - 1;
  }
  if (fits === 0) {
    const need = largestTensor(shape, steps, window(1).planesIn, 1), value = shape.join("x");
    throw new LimitError(
      `Cannot resample ${value} voxels on this GPU: one plane of the result needs ${need} bytes in one binding, ` +
        `found room for ${limit}: resample on the processor`,
      { value, need, max: limit },
    );
  }
  return window(Math.ceil(depth / Math.ceil(depth / fits)));
}

/**
 * Slabs of `planes` planes of the result, and of as many planes of the image as the most demanding place needs, wherever slabs start:
 * so larger slabs never need less.
 */
function windows(depthIn: number, depthOut: number, planes: number, along: AxisTable | null): SlabCut {
  const starts = Array.from(
    { length: Math.ceil(depthOut / planes) },
    (_, i) => Math.min(i * planes, depthOut - planes),
  );
  if (!along) {
    return { planesIn: planes, planesOut: planes, slabs: starts.map((to) => ({ to, from: to })) };
  }
  const low = (to: number) => Math.min(Math.max(along.first[to], 0), depthIn - 1);
  const high = (to: number) => Math.min(Math.max(along.first[to + planes - 1] + along.taps, 1), depthIn);
  let planesIn = 1;
  for (let to = 0; to <= depthOut - planes; to++) planesIn = Math.max(planesIn, high(to) - low(to));
  const slabs = starts.map((to) => ({ to, from: Math.min(low(to), depthIn - planesIn) }));
  return { planesIn, planesOut: planes, slabs };
}

/** Bytes of the largest tensor that the steps make from a slab of `planesIn` planes, the slab included. */
function largestTensor(
  shape: Dims3,
  steps: readonly ResampleStep[],
  planesIn: number,
  planesOut: number,
): number {
  const size: [number, number, number] = [planesIn, shape[1], shape[2]];
  let largest = 4 * size[0] * size[1] * size[2];
  for (const step of steps) {
    if (step.kind === "resize") size[step.axis] = step.axis === 0 ? planesOut : step.size;
    largest = Math.max(largest, 4 * size[0] * size[1] * size[2]);
  }
  return largest;
}
