import type { Dims3 } from "../../volume.ts";

/** Smallest edge of a feature map after pooling. */
const SMALLEST_EDGE = 4;

/** Stages of a U-Net for a patch. */
export interface Topology {
  /** The patch, each axis rounded up to a multiple of `divisor`. */
  readonly patch: Dims3;
  /** Stride into every stage, the first is 1. */
  readonly strides: readonly Dims3[];
  /** Kernel of every stage. */
  readonly kernels: readonly Dims3[];
  /** Product of the strides per axis. */
  readonly divisor: Dims3;
}

type Triple = [number, number, number];

/**
 * Strides and kernels for a spacing and patch: axes are halved while they have 8 voxels and their spacing is within a factor 2 of the
 * finest that can still be halved; a kernel spans an axis from the stage on where its spacing is within a factor 2 of the finest.
 *
 * @param spacing mm
 * @param patch voxels, may be fractions
 * Source: nnU-Net v2 `get_pool_and_conv_props`
 */
export function planTopology(spacing: Dims3, patch: Dims3): Topology {
  const size: Triple = [...patch], step: Triple = [...spacing], kernel: Triple = [1, 1, 1];
  const divisor: Triple = [1, 1, 1];
  const strides: Dims3[] = [[1, 1, 1]], kernels: Dims3[] = [];
  while (true) {
    const large = [0, 1, 2].filter((axis) => size[axis] >= 2 * SMALLEST_EDGE);
    if (large.length === 0) break;
    const finest = Math.min(...large.map((axis) => step[axis]));
    const halved = large.filter((axis) => step[axis] / finest < 2);
    if (halved.length === 1 && size[halved[0]] < 3 * SMALLEST_EDGE) break;
    const finestOfAll = Math.min(...step);
    const stride: Triple = [1, 1, 1];
    for (const axis of [0, 1, 2]) if (step[axis] / finestOfAll < 2) kernel[axis] = 3;
    for (const axis of halved) {
      stride[axis] = 2;
      step[axis] *= 2;
      size[axis] = Math.ceil(size[axis] / 2);
      divisor[axis] *= 2;
    }
    strides.push(stride);
    kernels.push([...kernel]);
  }
  kernels.push([3, 3, 3]);
  const padded = (axis: number) => Math.ceil(patch[axis] / divisor[axis]) * divisor[axis];
  return { patch: [padded(0), padded(1), padded(2)], strides, kernels, divisor };
}
