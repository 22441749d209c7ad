import assert from "node:assert/strict";
import { LimitError, ShapeError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { gatherBlocks, scatterBlocks } from "../../kernels/ops/blocks/op.ts";
import type { BlockGrid } from "../../kernels/ops/blocks/table.ts";
import { conv3d } from "../../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../../kernels/ops/conv_transpose3d/op.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { leakyRelu, leakyReluGradient } from "../../kernels/ops/leaky_relu/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { applyMask, tokenFill } from "../../kernels/ops/mask/op.ts";
import { maxPool3d } from "../../kernels/ops/pool/max_pool.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { avgPool3d } from "../../kernels/ops/pool/op.ts";
import { type Dims3, type OpDef, tensor } from "../../kernels/spec.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { plainDevice } from "../support/device_facts.ts";
import { halfTest } from "../support/half.ts";
import { type CaseInput, checkOp, inputSpec, noise, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

const tolerance = toleranceFor(1, "f16");
const half = (...shape: number[]) => ({ shape, dtype: "f16" as const });

for (const shape of [[3], [2, 3, 5], [1, 7, 11, 13]]) {
  halfTest(`add() and leakyRelu() in f16 match the reference: ${shape.join("x")}`, async (gpu) => {
    await checkOp(gpu, { op: add, attrs: {}, inputs: [half(...shape), half(...shape)], tolerance });
    await checkOp(gpu, { op: leakyRelu, attrs: { slope: 0.01 }, inputs: [half(...shape)], tolerance });
  });
}

for (const power of [1, 2] as const) {
  for (const region of ["all", "hidden"] as const) {
    halfTest(`reconstructionError() of an f16 prediction: power ${power}, ${region}`, async (gpu) => {
      const shape = [2, 3, 5, 4, 7];
      const mask = noise(2 * 5 * 4 * 7, 3).map((v) => v > 0 ? 1 : 0) as Float32Array<ArrayBuffer>;
      await checkOp(gpu, {
        op: reconstructionError,
        attrs: { power, region },
        inputs: [
          half(...shape),
          { shape },
          ...(region === "all" ? [] : [{ shape: [2, 1, 5, 4, 7], data: mask }]),
        ],
        constant: [1, 2],
        tolerance: { atol: 1e-6, rtol: 1e-6 }, // loss and weights are f32
        gradientTolerance: toleranceFor(1, "f16"),
      });
    });
  }
}

/** An input stored as f16. */
const narrow = (input: CaseInput): CaseInput => ({
  spec: { ...inputSpec(input), dtype: "f16" },
  ...(input.data ? { data: input.data } : {}),
});

// deno-lint-ignore no-explicit-any -- attributes differ by operation
const layers: [string, Omit<OpCase<any>, "tolerance">][] = [];
for (const size of [[4, 6, 8], [5, 3, 7]] as Dims3[]) {
  const x = half(2, 3, ...size);
  const seen = noise(2 * size[0] * size[1] * size[2], 9).map((v) => v > 0 ? 1 : 0) as Float32Array<
    ArrayBuffer
  >;
  const mask = { shape: [2, 1, ...size], data: seen };
  const stride = [2, 2, 2];
  const text = size.join("x");
  layers.push(
    [`applyMask() of ${text}`, { op: applyMask, attrs: {}, inputs: [x, mask], constant: [1] }],
    [`tokenFill() of ${text}`, {
      op: tokenFill,
      attrs: {},
      inputs: [x, { shape: [1, 3, 1, 1, 1] }, mask],
      constant: [2],
    }],
    [`avgPool3d() of ${text}`, { op: avgPool3d, attrs: { stride }, inputs: [x] }],
    [`maxPool3d() of ${text}`, { op: maxPool3d, attrs: { stride }, inputs: [x] }],
  );
}
for (
  const [n, c, o, size] of [[2, 5, 7, [4, 6, 8]], [1, 4, 3, [5, 3, 7]]] as [number, number, number, Dims3][]
) {
  const text = `${c} to ${o} channels at ${size.join("x")}`;
  const x = half(n, c, ...size);
  const stride = [2, 2, 2];
  const bias = { shape: [o] };
  const conv = (inputs: number, changes: object) => ({
    op: conv3d,
    attrs: { kernel: [3, 3, 3], stride: [1, 1, 1], inputs, bias: true, ...changes },
  });
  layers.push(
    [`conv3d(), ${text}`, { ...conv(1, {}), inputs: [x, { shape: [o, c, 3, 3, 3] }, bias] }],
    [`conv3d() with stride 2, ${text}`, {
      ...conv(1, { stride }),
      inputs: [x, { shape: [o, c, 3, 3, 3] }, bias],
    }],
    [`conv3d() 1x1x1, ${text}`, {
      ...conv(1, { kernel: [1, 1, 1] }),
      inputs: [x, { shape: [o, c, 1, 1, 1] }, bias],
    }],
    [`conv3d() of two inputs, ${text}`, {
      ...conv(2, {}),
      inputs: [x, half(n, 2, ...size), { shape: [o, c + 2, 3, 3, 3] }, bias],
    }],
    [`convTranspose3d(), ${text}`, {
      op: convTranspose3d,
      attrs: { stride, bias: true },
      inputs: [x, { shape: [c, o, 2, 2, 2] }, bias],
    }],
  );
}
const NORM = { eps: 1e-5, affine: true, residual: false, masked: false, slope: 0.01 };
for (const size of [[4, 6, 8], [5, 3, 7], [24, 20, 24]] as Dims3[]) {
  const x = half(2, 3, ...size);
  const parameters = [{ shape: [3] }, { shape: [3] }];
  const seen = noise(2 * size[0] * size[1] * size[2], 4).map((v) => v > 0 ? 1 : 0) as Float32Array<
    ArrayBuffer
  >;
  const mask = { shape: [2, 1, ...size], data: seen };
  const text = size.join("x");
  layers.push(
    [`instanceNorm() of ${text}`, { op: instanceNorm, attrs: NORM, inputs: [x, ...parameters] }],
    [`instanceNorm() with residual and mask of ${text}`, {
      op: instanceNorm,
      attrs: { ...NORM, residual: true, masked: true },
      inputs: [x, ...parameters, x, mask],
      constant: [4],
    }],
  );
}
const grids: [Dims3, BlockGrid][] = [
  [[8, 8, 12], { grid: [2, 2, 3], kept: 7 }],
  [[4, 4, 4], { grid: [4, 4, 4], kept: 20 }],
];
for (const [size, at] of grids) {
  const text = `${size.join("x")} in ${at.grid.join("x")} cells`;
  const table = tableInput(2, at);
  const blocks = narrow(blockInput(2, 3, size, at));
  layers.push(
    [`conv3d() in blocks of ${text}`, {
      op: conv3d,
      attrs: { kernel: [3, 3, 3], stride: [1, 1, 1], inputs: 1, bias: true, table: true },
      inputs: [blocks, { shape: [4, 3, 3, 3, 3] }, { shape: [4] }, table],
    }],
    [`gatherBlocks() of ${text}`, { op: gatherBlocks, attrs: at, inputs: [half(2, 3, ...size), table] }],
    [`scatterBlocks() of ${text}`, { op: scatterBlocks, attrs: { token: false }, inputs: [blocks, table] }],
    [`scatterBlocks() with token of ${text}`, {
      op: scatterBlocks,
      attrs: { token: true },
      inputs: [blocks, { shape: [1, 3, 1, 1, 1] }, table],
    }],
    [`instanceNorm() in blocks of ${text}`, {
      op: instanceNorm,
      attrs: { ...NORM, residual: true, masked: true },
      inputs: [blocks, { shape: [3] }, { shape: [3] }, blocks, table],
    }],
    [`avgPool3d() in blocks of ${text}`, {
      op: avgPool3d,
      attrs: { stride: [2, 2, 2] },
      inputs: [blocks, table],
    }],
  );
}
for (const [name, c] of layers) {
  halfTest(
    `${name} in f16 matches the reference`,
    (gpu) =>
      checkOp(gpu, { ...c, tolerance: toleranceFor(8, "f16"), gradientTolerance: toleranceFor(2000, "f16") }),
  );
}

Deno.test("operations refuse to mix f32 and f16 and name the tensors", () => {
  const [single, narrow] = [tensor([1, 2, 3, 4, 5]), tensor([1, 2, 3, 4, 5], "f16")];
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  const refused = (op: OpDef<any>, attrs: unknown, inputs: (typeof single)[], message: string) =>
    assert.throws(
      () => op.infer(inputs, attrs),
      (error) => error instanceof ShapeError && error.message === `Cannot apply ${op.name}: ${message}`,
    );
  refused(add, {}, [single, narrow], "a and b are f32 and f16, wanted one type: cast one of them");
  refused(
    leakyReluGradient,
    { slope: 0.1 },
    [narrow, single],
    "x and dy are f16 and f32, wanted one type: cast one of them",
  );
  const attrs = { power: 2, region: "all" };
  refused(reconstructionError, attrs, [narrow, narrow], "target is f16, wanted f32");
  refused(
    reconstructionError,
    attrs,
    [tensor(single.shape, "i32"), single],
    "prediction is i32, wanted f32 or f16",
  );
});

Deno.test("compile() refuses f16 where an operation takes f32 only", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, 4, 4, 4], "f16"));
  const [y] = graph.apply(sumSquares, [x], {});
  assert.throws(
    () => compile(graph, { device: { ...plainDevice, f16: true }, phases: { run: [y] } }),
    (error) =>
      error instanceof ShapeError &&
      error.message === "Cannot bind x in sumSquares 64 partial: it is f16, wanted f32: cast it first",
  );
});

Deno.test("f16 storage on a device without 16-bit floats says what to do", () => {
  const inputs = [tensor([4], "f16"), tensor([4], "f16")];
  const request = {
    inputs,
    outputs: inputs.slice(1),
    attrs: {},
    inPlace: [],
    accumulate: [],
    recompute: false,
  };
  assert.throws(
    () => add.lower({ ...request, device: { ...plainDevice, f16: false } }),
    (error) =>
      error instanceof LimitError &&
      error.message ===
        "Cannot lower add 4: needs 16-bit floats, adapter imaginary has no shader-f16: use precision f32",
  );
  assert.ok(
    add.lower({ ...request, device: { ...plainDevice, f16: true } }).kernels[0].source.includes("f16"),
  );
});
