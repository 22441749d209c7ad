/** Label maps at lower resolutions, for deep supervision. */
import { type Dims3, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { require, requireSingle, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

function sizesOf([labels]: readonly TensorSpec[], size: Dims3) {
  const sizes = volume("downsampleLabels", "labels", labels);
  requireSingle("downsampleLabels", "labels", labels);
  require(
    size.every((extent, axis) => Number.isInteger(extent) && extent >= 1 && extent <= sizes.size[axis]),
    "downsampleLabels",
    `labels have ${sizes.size.join("x")} voxels, wanted at least ${size.join("x")}`,
    sizes.size,
    size,
  );
  return sizes;
}

/** The voxel of `from` whose centre is nearest to that of voxel `at` of `to`; of two, the later one. */
function nearest(at: number, from: number, to: number): number {
  return Math.floor((2 * at + 1) * from / (2 * to));
}

/**
 * Nearest voxel of a coarser grid over the same extent: `y[o] = labels[floor((o + 1/2) in / out)]` along every axis.
 *
 * That is the voxel at the centre of the coarse one, and of two equally near ones the later: index 2o + 1 when an axis is
 * halved, 4o + 2 at a quarter. Centres of both grids then coincide on average, whereas index 2o would move every structure by
 * half a coarse voxel; and a label is never mixed of two.
 * Input `[N, C, D, H, W]`; output `[N, C, ...size]`. No gradient: labels are data.
 * @throws {ShapeError} when the grid is finer than the labels
 * Source: deep-supervision targets of nnU-Net (interpolation "nearest-exact" of PyTorch).
 */
export const downsampleLabels: OpDef<{ readonly size: Dims3 }> = {
  name: "downsampleLabels",
  recompute: [0],
  infer(inputs, { size }) {
    const { n, c } = sizesOf(inputs, size);
    return [tensor([n, c, ...size])];
  },
  cost: (_inputs, outputs) => streamCost(outputs, outputs, 0),
  lower({ inputs, outputs, attrs: { size }, device }) {
    const { n, c, size: from } = sizesOf(inputs, size);
    const total = n * c * size[0] * size[1] * size[2];
    return {
      variant: "voxels",
      scratch: [],
      kernels: [kernel({
        label: `downsampleLabels ${shapeText(outputs[0])}`,
        device,
        bindings: [input(0, "labels"), output(0, "y")],
        params: {
          total,
          d: size[0],
          h: size[1],
          w: size[2],
          fromD: from[0],
          fromH: from[1],
          fromW: from[2],
        },
        groups: Math.ceil(total / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let to = vec3u(p.d, p.h, p.w);
let row = tid / p.w;
let o = vec3u(row / p.h % p.d, row % p.h, tid % p.w);
let i = (2u * o + 1u) * vec3u(p.fromD, p.fromH, p.fromW) / (2u * to);
let channel = row / (p.h * p.d);
y[tid] = labels[((channel * p.fromD + i.x) * p.fromH + i.y) * p.fromW + i.z];`,
      })],
    };
  },
  reference({ inputs: [labels], inputSpecs, attrs: { size } }) {
    const { n, c, size: from } = sizesOf(inputSpecs, size);
    const y: number[] = [];
    for (let channel = 0; channel < n * c; channel++) {
      for (let d = 0; d < size[0]; d++) {
        for (let h = 0; h < size[1]; h++) {
          for (let w = 0; w < size[2]; w++) {
            const [z, row, x] = [d, h, w].map((at, axis) => nearest(at, from[axis], size[axis]));
            y.push(labels[((channel * from[0] + z) * from[1] + row) * from[2] + x]);
          }
        }
      }
    }
    return [Float64Array.from(y)];
  },
};
