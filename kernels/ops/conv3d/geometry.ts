/** Shape arithmetic of 3D convolutions, shared by forward, gradients and the transposed form. */
import type { Dims3 } from "../../spec.ts";
import { require } from "../check.ts";

/** Attributes of a convolution. Padding is `(kernel - 1) / 2` per axis, dilation and groups 1. */
export interface ConvAttrs {
  readonly kernel: Dims3;
  readonly stride: Dims3;
}

/** Kernel, stride and zero padding per axis. */
export interface ConvGeometry {
  readonly kernel: Dims3;
  readonly stride: Dims3;
  readonly padding: Dims3;
}

/** Maps three axes. */
export function dims(f: (axis: 0 | 1 | 2) => number): Dims3 {
  return [f(0), f(1), f(2)];
}

/** Product of three extents. */
export function volumeOf(size: Dims3): number {
  return size[0] * size[1] * size[2];
}

/** Geometry of an odd kernel with "same" padding. @throws {ShapeError} for even kernels or strides other than 1 and 2 */
export function samePadding(op: string, attrs: ConvAttrs): ConvGeometry {
  require(
    attrs.kernel.every((k) => Number.isInteger(k) && k >= 1 && k % 2 === 1),
    op,
    `kernel is ${attrs.kernel.join("x")}, wanted odd extents`,
  );
  require(
    attrs.stride.every((s) => s === 1 || s === 2),
    op,
    `stride is ${attrs.stride.join("x")}, wanted 1 or 2 per axis`,
  );
  return { ...attrs, padding: dims((a) => (attrs.kernel[a] - 1) / 2) };
}

/** Size of the convolution's output: `floor((n + 2 p - k) / s) + 1`. */
export function outputSize(size: Dims3, g: ConvGeometry): Dims3 {
  return dims((a) => Math.floor((size[a] + 2 * g.padding[a] - g.kernel[a]) / g.stride[a]) + 1);
}

/**
 * Plain convolution loops: calls `visit` for every pair of output and input voxel that a kernel tap joins.
 *
 * @param visit flat output voxel, flat input voxel, flat kernel index
 */
export function forEachTap(
  outSize: Dims3,
  inSize: Dims3,
  g: ConvGeometry,
  visit: (out: number, input: number, tap: number) => void,
): void {
  const [kd, kh, kw] = g.kernel;
  for (let z = 0; z < outSize[0]; z++) {
    for (let y = 0; y < outSize[1]; y++) {
      for (let x = 0; x < outSize[2]; x++) {
        const out = (z * outSize[1] + y) * outSize[2] + x;
        for (let i = 0; i < kd; i++) {
          const iz = z * g.stride[0] + i - g.padding[0];
          if (iz < 0 || iz >= inSize[0]) continue;
          for (let j = 0; j < kh; j++) {
            const iy = y * g.stride[1] + j - g.padding[1];
            if (iy < 0 || iy >= inSize[1]) continue;
            for (let k = 0; k < kw; k++) {
              const ix = x * g.stride[2] + k - g.padding[2];
              if (ix < 0 || ix >= inSize[2]) continue;
              visit(out, (iz * inSize[1] + iy) * inSize[2] + ix, (i * kh + j) * kw + k);
            }
          }
        }
      }
    }
  }
}
