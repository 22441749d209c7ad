import { conv3d, type Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkGradient, checkOp, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

function conv(
  n: number,
  c: number | [number, number],
  o: number,
  size: Dims3,
  kernel: Dims3,
  stride: Dims3,
  bias = true,
): OpCase<Conv3dAttrs> {
  const parts = typeof c === "number" ? [c] : c;
  const channels = parts.reduce((a, b) => a + b, 0);
  return {
    op: conv3d,
    attrs: { kernel, stride, bias, inputs: parts.length as 1 | 2 },
    inputs: [
      ...parts.map((p) => ({ shape: [n, p, ...size] })),
      { shape: [o, channels, ...kernel] },
      ...(bias ? [{ shape: [o] }] : []),
    ],
    tolerance: toleranceFor(channels * 27),
    gradientTolerance: toleranceFor(Math.max(o * 27, n * size[0] * size[1] * size[2])),
  };
}

const cases: [string, OpCase<Conv3dAttrs>][] = [
  ["3x3x3, odd size, channels 1 to 5", conv(1, 1, 5, [5, 7, 9], [3, 3, 3], [1, 1, 1])],
  ["3x3x3, batch 2, channels 3 to 3", conv(2, 3, 3, [4, 6, 5], [3, 3, 3], [1, 1, 1])],
  ["3x3x3 stride 2, odd size", conv(2, 5, 9, [7, 9, 5], [3, 3, 3], [2, 2, 2])],
  ["3x3x3 stride (1,2,2), even size", conv(1, 4, 6, [5, 8, 6], [3, 3, 3], [1, 2, 2])],
  ["(1,3,3) stride (1,2,2)", conv(2, 1, 8, [3, 7, 6], [1, 3, 3], [1, 2, 2])],
  ["(1,3,3), no bias", conv(1, 3, 8, [4, 5, 6], [1, 3, 3], [1, 1, 1], false)],
  ["1x1x1, no bias", conv(2, 20, 3, [3, 4, 5], [1, 1, 1], [1, 1, 1], false)],
  ["1x1x1 stride 2", conv(1, 8, 4, [5, 4, 3], [1, 1, 1], [2, 2, 2])],
  ["5x5x5", conv(1, 2, 3, [6, 5, 7], [5, 5, 5], [1, 1, 1])],
  ["5x3x1 stride (2,1,2)", conv(1, 3, 2, [6, 5, 7], [5, 3, 1], [2, 1, 2])],
  ["one voxel", conv(1, 3, 5, [1, 1, 1], [3, 3, 3], [1, 1, 1])],
  ["two inputs for a concatenation", conv(2, [3, 5], 7, [4, 5, 6], [3, 3, 3], [1, 1, 1])],
  ["a map with full tiles", conv(1, 8, 16, [8, 8, 16], [3, 3, 3], [1, 1, 1])],
];

for (const [name, c] of cases) {
  gpuTest(`conv3d() and its gradients match the reference: ${name}`, (gpu) => checkOp(gpu, c));
  Deno.test(`conv3d() gradients match finite differences: ${name}`, () => checkGradient(c));
}
