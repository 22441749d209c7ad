import { convTranspose3d } from "../../kernels/ops/conv_transpose3d/op.ts";
import type { InstanceNormAttrs } from "../../kernels/ops/instance_norm/inputs.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { applyMask, expandMask, tokenFill } from "../../kernels/ops/mask/op.ts";
import { maxPool3d } from "../../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../../kernels/ops/pool/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { elementCount, type OpDef } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkGradient, checkOp, noise, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

function layer<A>(
  op: OpDef<A>,
  attrs: A,
  shapes: number[][],
  terms: number,
  extra: Partial<OpCase<A>> = {},
): OpCase<A> {
  return { op, attrs, inputs: shapes.map((shape) => ({ shape })), tolerance: toleranceFor(terms), ...extra };
}

/** A mask of zeros and ones; the first voxel of every sample stays visible. */
function mask(shape: number[], seed = 9): Float32Array<ArrayBuffer> {
  const sample = elementCount(shape) / shape[0];
  return noise(elementCount(shape), seed).map((v, i) => i % sample === 0 || v > 0.2 ? 1 : 0) as Float32Array<
    ArrayBuffer
  >;
}

function norm(shape: number[], attrs: Partial<InstanceNormAttrs>, offset = 0): OpCase<InstanceNormAttrs> {
  const full = { eps: 1e-5, affine: false, residual: false, masked: false, slope: 1, ...attrs };
  const [n, c, d, h, w] = shape;
  const inputs: { shape: number[]; data?: Float32Array<ArrayBuffer> }[] = [
    { shape, data: noise(elementCount(shape), 1).map((v) => v + offset) as Float32Array<ArrayBuffer> },
  ];
  if (full.affine) inputs.push({ shape: [c] }, { shape: [c] });
  if (full.residual) inputs.push({ shape });
  if (full.masked) inputs.push({ shape: [n, 1, d, h, w], data: mask([n, 1, d, h, w]) });
  return {
    op: instanceNorm,
    attrs: full,
    inputs,
    constant: full.masked ? [inputs.length - 1] : [],
    tolerance: { atol: 2e-5, rtol: 1e-5 },
    gradientTolerance: { atol: 1e-4, rtol: 1e-5 },
  };
}

const cases: [string, OpCase<never>][] = [
  [
    "convTranspose3d() 2x2x2, batch 2, channels 5 to 3",
    layer(convTranspose3d, { stride: [2, 2, 2], bias: true }, [[2, 5, 3, 2, 5], [5, 3, 2, 2, 2], [3]], 500),
  ],
  [
    "convTranspose3d() 1x2x2, no bias",
    layer(convTranspose3d, { stride: [1, 2, 2], bias: false }, [[1, 8, 3, 4, 5], [8, 9, 1, 2, 2]], 500),
  ],
  [
    "convTranspose3d() one voxel",
    layer(convTranspose3d, { stride: [2, 2, 2], bias: true }, [[1, 3, 1, 1, 1], [3, 4, 2, 2, 2], [4]], 50),
  ],
  ["avgPool3d() 2x2x2, odd size", layer(avgPool3d, { stride: [2, 2, 2] }, [[2, 3, 5, 7, 6]], 8)],
  ["avgPool3d() 1x2x2", layer(avgPool3d, { stride: [1, 2, 2] }, [[1, 1, 3, 4, 5]], 8)],
  ["maxPool3d() 2x2x2, odd size", layer(maxPool3d, { stride: [2, 2, 2] }, [[2, 3, 5, 4, 6]], 8)],
  ["leakyRelu()", layer(leakyRelu, { slope: 0.01 }, [[2, 3, 5, 1, 7]], 1)],
  ["add()", layer(add, {}, [[3, 5, 7], [3, 5, 7]], 1)],
  ["instanceNorm() without affine", norm([2, 3, 4, 5, 7], {})],
  ["instanceNorm() affine with LeakyReLU", norm([1, 5, 3, 5, 7], { affine: true, slope: 0.01 })],
  [
    "instanceNorm() affine, residual and LeakyReLU",
    norm([2, 3, 5, 6, 7], { affine: true, residual: true, slope: 0.01 }),
  ],
  ["instanceNorm() residual without LeakyReLU", norm([1, 2, 4, 4, 4], { affine: true, residual: true })],
  ["instanceNorm() masked", norm([2, 3, 4, 6, 5], { masked: true })],
  [
    "instanceNorm() masked with everything",
    norm([2, 3, 4, 6, 5], { masked: true, affine: true, residual: true, slope: 0.01 }),
  ],
  ["instanceNorm() two voxels", norm([1, 1, 1, 1, 2], { affine: true })],
  [
    "instanceNorm() of more voxels than one workgroup sums",
    norm([1, 1, 17, 19, 23], { affine: true, slope: 0.01 }),
  ],
  [
    "instanceNorm() of long channels, one workgroup each on software devices",
    norm([2, 4, 17, 19, 23], { affine: true, residual: true, slope: 0.01 }),
  ],
  [
    "instanceNorm() of long channels, four voxels at a time",
    norm([2, 5, 12, 24, 32], { affine: true, slope: 0.01 }),
  ],
  [
    "applyMask()",
    layer(applyMask, {}, [[2, 3, 4, 3, 2], [2, 1, 4, 3, 2]], 1, {
      inputs: [{ shape: [2, 3, 4, 3, 2] }, { shape: [2, 1, 4, 3, 2], data: mask([2, 1, 4, 3, 2]) }],
      constant: [1],
    }),
  ],
  [
    "tokenFill()",
    layer(tokenFill, {}, [], 200, {
      inputs: [{ shape: [2, 3, 4, 3, 5] }, { shape: [1, 3, 1, 1, 1] }, {
        shape: [2, 1, 4, 3, 5],
        data: mask([2, 1, 4, 3, 5]),
      }],
      constant: [2],
    }),
  ],
] as [string, OpCase<never>][];

for (const [name, c] of cases) {
  gpuTest(`${name}: kernels match the reference`, (gpu) => checkOp(gpu, c));
  Deno.test(`${name}: gradients match finite differences`, () =>
    checkGradient(c, c.op.name === "maxPool3d" ? 1e-7 : 1e-5));
}

gpuTest(
  "expandMask() repeats cells",
  (gpu) =>
    checkOp(gpu, {
      op: expandMask,
      attrs: { size: [4, 6, 6] },
      inputs: [{ shape: [2, 1, 2, 3, 2] }],
      tolerance: { atol: 0, rtol: 0 },
    }),
);

for (const [name, c] of cases.filter(([, c]) => (c as OpCase<unknown>).op === instanceNorm)) {
  gpuTest(
    `${name}: kernels that GPUs get match the reference`,
    (gpu) => checkOp({ ...gpu, facts: { ...gpu.facts, software: false } }, c),
  );
}

gpuTest("instanceNorm() keeps its precision when the mean is 1000", (gpu) => {
  const c = norm([1, 2, 9, 8, 7], { affine: true, masked: true }, 1000);
  return checkOp(gpu, {
    ...c,
    tolerance: { atol: 3e-4, rtol: 1e-5 },
    gradientTolerance: { atol: 5e-3, rtol: 1e-4 },
  });
});
