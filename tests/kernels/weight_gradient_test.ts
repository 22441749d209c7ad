import assert from "node:assert/strict";
import { type BlockGrid, blockTable } from "../../kernels/ops/blocks/table.ts";
import { samePadding } from "../../kernels/ops/conv3d/geometry.ts";
import { conv3dWeightGradient, type WeightGradientAttrs } from "../../kernels/ops/conv3d/gradients.ts";
import { storeOf } from "../../kernels/ops/accumulation.ts";
import { lowerWeightGradient } from "../../kernels/ops/conv3d/weight_gradient.ts";
import { weightTile } from "../../kernels/ops/conv3d/weight_gradient_tile.ts";
import { type DeviceFacts, type Dims3, type OpDef, tensor } from "../../kernels/spec.ts";
import { input } from "../../kernels/wgsl/module.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { type CaseInput, checkOp, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

/** Voxels, groups of four still channels, halo channels, width of loads. */
type TileChoice = readonly [size: Dims3, quads: number, halos: number, width: 1 | 4];
type Layout = "dense" | "blocks";

interface Shape {
  readonly x: readonly [channels: number, layout: Layout][];
  readonly dy: readonly [channels: number, layout: Layout];
  readonly size: Dims3;
  readonly at?: BlockGrid;
  readonly kernel?: Dims3;
  readonly stride?: Dims3;
  readonly n?: number;
}

/** The weight gradient as the device's rule would lower it, or with one tile for every source. */
function lowered(tile: TileChoice | "gpu" | "rule"): OpDef<WeightGradientAttrs> {
  if (tile === "rule") return conv3dWeightGradient;
  if (tile === "gpu") {
    return {
      ...conv3dWeightGradient,
      lower: (r) => conv3dWeightGradient.lower({ ...r, device: { ...r.device, software: false } }),
    };
  }
  return {
    ...conv3dWeightGradient,
    lower: (request) => {
      const { inputs, attrs, device } = request;
      return lowerWeightGradient({
        label: "weight gradient",
        device,
        geometry: samePadding("test", attrs),
        sources: inputs.slice(0, attrs.inputs).map((spec, i) => ({ binding: input(i, "x"), spec })),
        dy: { binding: input(attrs.inputs, "dy"), spec: inputs[attrs.inputs] },
        table: attrs.table ? input(attrs.inputs + 1, "blockTable", "i32") : null,
        bias: attrs.bias,
        stores: [storeOf(request, 0), storeOf(request, 1)],
      }, (pair) => weightTile(pair, ...tile));
    },
  };
}

function gradientCase(shape: Shape, tile: TileChoice | "gpu" | "rule"): OpCase<WeightGradientAttrs> {
  const { size, at, kernel = [3, 3, 3], stride = [1, 1, 1], n = 2 } = shape;
  const outSize = size.map((extent, a) => Math.ceil(extent / stride[a])) as unknown as Dims3;
  const operand = ([channels, layout]: readonly [number, Layout], volume: Dims3): CaseInput =>
    layout === "blocks" ? blockInput(n, channels, volume, at!) : { shape: [n, channels, ...volume] };
  return {
    op: lowered(tile),
    attrs: { kernel, stride, bias: true, inputs: shape.x.length as 1 | 2 | 3, table: at !== undefined },
    inputs: [
      ...shape.x.map((x) => operand(x, size)),
      operand(shape.dy, outSize),
      ...(at ? [tableInput(n, at)] : []),
    ],
    tolerance: toleranceFor(n * outSize[0] * outSize[1] * outSize[2]),
  };
}

const at: BlockGrid = { grid: [2, 3, 2], kept: 9 };
const halves: Dims3 = [2, 2, 2];
const wide: TileChoice = [[2, 2, 4], 1, 1, 4];
const cases: [string, Shape, (TileChoice | "gpu" | "rule")[]][] = [
  ["dense, rows of four", { x: [[5, "dense"]], dy: [6, "dense"], size: [5, 7, 8] }, ["rule", "gpu", wide]],
  ["dense, odd rows", { x: [[3, "dense"]], dy: [5, "dense"], size: [5, 6, 7] }, [[[1, 2, 4], 1, 2, 1]]],
  ["dense, stride 2, rows of four", {
    x: [[3, "dense"]],
    dy: [9, "dense"],
    size: [5, 6, 16],
    stride: halves,
  }, [[[1, 2, 4], 2, 1, 4]]],
  ["dense, stride 2, odd rows", { x: [[2, "dense"]], dy: [3, "dense"], size: [5, 6, 11], stride: halves }, [
    [[1, 1, 5], 1, 1, 1],
  ]],
  ["dense 1x1x1", { x: [[19, "dense"]], dy: [17, "dense"], size: [3, 4, 5], kernel: [1, 1, 1] }, [
    [[1, 1, 4], 4, 8, 4],
    "gpu",
  ]],
  ["dense 1x1x1, threads that share rows", {
    x: [[5, "dense"], [3, "dense"]],
    dy: [6, "dense"],
    size: [3, 6, 8],
    kernel: [1, 1, 1],
  }, [[[1, 1, 4], 1, 4, 4]]],
  ["blocks 1x1x1, threads that share blocks", {
    x: [[5, "blocks"]],
    dy: [6, "blocks"],
    size: [8, 12, 8],
    at,
    kernel: [1, 1, 1],
  }, [[[1, 1, 4], 1, 4, 4]]],
  ["blocks of 4x4x8", { x: [[3, "blocks"]], dy: [6, "blocks"], size: [8, 12, 16], at }, [
    wide,
    "rule",
    "gpu",
  ]],
  ["blocks of 4", { x: [[3, "blocks"]], dy: [6, "blocks"], size: [8, 12, 8], at }, [wide, "gpu"]],
  ["blocks of 2", { x: [[3, "blocks"]], dy: [6, "blocks"], size: [4, 6, 4], at }, [
    [[2, 2, 2], 2, 1, 4],
    [[1, 1, 2], 1, 1, 1],
  ]],
  ["blocks of 1", { x: [[3, "blocks"]], dy: [6, "blocks"], size: [2, 3, 2], at }, [[[1, 1, 1], 1, 2, 4]]],
  ["blocks, stride 2", { x: [[3, "blocks"]], dy: [6, "blocks"], size: [8, 12, 16], at, stride: halves }, [
    [[2, 2, 4], 1, 1, 4],
    [[1, 2, 2], 1, 1, 1],
  ]],
  ["blocks, stride 2 to blocks of 1", {
    x: [[3, "blocks"]],
    dy: [6, "blocks"],
    size: [4, 6, 4],
    at,
    stride: halves,
  }, ["rule"]],
  ["blocks, (1,3,3) with stride (1,2,2)", {
    x: [[2, "blocks"]],
    dy: [3, "blocks"],
    size: [4, 12, 8],
    at,
    kernel: [1, 3, 3],
    stride: [1, 2, 2],
  }, ["rule"]],
  ["blocks 1x1x1", { x: [[9, "blocks"]], dy: [7, "blocks"], size: [4, 6, 4], at, kernel: [1, 1, 1] }, [
    [[1, 1, 4], 2, 4, 4],
    [[1, 1, 1], 1, 4, 1],
  ]],
  ["dense x, blocks of dy", { x: [[3, "dense"]], dy: [6, "blocks"], size: [8, 12, 16], at }, [wide]],
  ["dense x, blocks of dy, stride 2", {
    x: [[3, "dense"]],
    dy: [6, "blocks"],
    size: [8, 6, 8],
    at,
    stride: halves,
  }, ["rule", [[2, 1, 2], 1, 1, 1]]],
  ["blocks of x, dense dy", { x: [[3, "blocks"]], dy: [6, "dense"], size: [8, 12, 16], at }, [wide]],
  ["blocks of x, dense dy, 1x1x1", {
    x: [[6, "blocks"]],
    dy: [5, "dense"],
    size: [4, 6, 8],
    at,
    kernel: [1, 1, 1],
  }, ["rule", [[1, 2, 4], 2, 4, 4]]],
  ["blocks of x, dense dy, stride 2", {
    x: [[6, "blocks"]],
    dy: [5, "dense"],
    size: [2, 3, 2],
    at,
    stride: halves,
  }, ["rule"]],
  ["blocks of x, dense dy, stride (1,2,2), blocks of 2", {
    x: [[6, "blocks"]],
    dy: [5, "dense"],
    size: [4, 6, 4],
    at,
    stride: [1, 2, 2],
  }, [[[1, 1, 2], 1, 1, 1]]],
  ["three sources of a block layout", {
    x: [[5, "blocks"], [3, "dense"], [1, "dense"]],
    dy: [6, "blocks"],
    size: [4, 6, 8],
    at,
  }, ["rule"]],
  ["two sources of a dense dy", { x: [[5, "blocks"], [3, "dense"]], dy: [6, "dense"], size: [4, 6, 8], at }, [
    "rule",
  ]],
];

for (const [name, shape, tiles] of cases) {
  for (const tile of tiles) {
    const which = typeof tile === "string" ? `the ${tile}'s tile` : `tile ${tile.flat().join(" ")}`;
    gpuTest(
      `conv3dWeightGradient() matches the reference: ${name}, ${which}`,
      (gpu) => checkOp(gpu, gradientCase(shape, tile)),
    );
  }
}

/** Lowers a weight gradient of cubes without a device. */
function lowerCube(channels: number, edge: number, kernel: number, device: DeviceFacts) {
  const spec = tensor([1, channels, edge, edge, edge]);
  const w = { kernel: [kernel, kernel, kernel], stride: [1, 1, 1], bias: false, inputs: 1 } as const;
  const outputs = conv3dWeightGradient.infer([spec, spec], w);
  return conv3dWeightGradient.lower({
    inputs: [spec, spec],
    outputs,
    attrs: w,
    inPlace: [],
    accumulate: [],
    recompute: false,
    device,
  });
}

Deno.test("lowerWeightGradient() splits long sums over dispatches of one text", () => {
  const { kernels } = lowerCube(32, 160, 3, plainDevice);
  assert.ok(kernels.length > 2, `found ${kernels.length} kernels`);
  assert.equal(new Set(kernels.map((k) => k.source)).size, 2);
});

Deno.test("lowerWeightGradient() bounds its partial sums", () => {
  for (const software of [true, false]) {
    for (const [channels, edge] of [[1, 160], [32, 160], [64, 80], [320, 10], [320, 5]]) {
      const { scratch } = lowerCube(channels, edge, 3, { ...plainDevice, software });
      const floats = scratch.reduce((sum, s) => sum + s.shape.reduce((a, b) => a * b, 1), 0);
      assert.ok(4 * floats <= 64 * 2 ** 20, `${channels} channels at ${edge}: ${4 * floats} bytes`);
    }
  }
});

Deno.test("lowerWeightGradient() shares texts between layers", () => {
  const texts = [[32, 160], [64, 80], [128, 40], [256, 20]].map(([c, e]) => lowerCube(c, e, 3, plainDevice));
  assert.equal(new Set(texts.map(({ kernels }) => kernels[0].source)).size, 1);
});

Deno.test("lowerWeightGradient() shares texts between small layers of a software device", () => {
  const device = { ...plainDevice, software: true };
  const texts = [[4, 48], [8, 24], [16, 12], [1, 6]].map(([c, e]) => lowerCube(c, e, 3, device).kernels);
  assert.equal(new Set(texts.flat().map(({ source }) => source)).size, 2);
});

Deno.test("lowerWeightGradient() needs no second stage where channels keep the device busy", () => {
  const device = { ...plainDevice, software: true };
  assert.equal(lowerCube(64, 8, 3, device).kernels.length, 1);
  assert.equal(lowerCube(4, 8, 3, device).kernels.length, 2);
});

Deno.test("lowerWeightGradient() copies blocks with borders where that takes little of what can be bound", () => {
  const at: BlockGrid = { grid: [5, 5, 5], kept: 32 };
  const { spec } = blockInput(1, 16, [20, 20, 20], at);
  const { lower, infer } = conv3dWeightGradient;
  const attrs = { kernel: [3, 3, 3], stride: [1, 1, 1], bias: false, inputs: 1, table: true } as const;
  const inputs = [spec, spec, blockTable(1, at)];
  const copy = 4 * 16 * 32 * 6 * 6 * 8;
  for (const [maxBinding, bordered] of [[4 * copy, true], [4 * copy - 4, false]] as const) {
    const { kernels, scratch } = lower({
      inputs,
      outputs: infer(inputs, attrs),
      attrs,
      inPlace: [],
      accumulate: [],
      recompute: false,
      device: { ...plainDevice, maxBinding },
    });
    assert.equal(kernels.some(({ label }) => label.endsWith("border")), bordered);
    assert.equal(scratch.some(({ shape }) => String(shape) === "1,16,32,6,6,8"), bordered);
  }
});
