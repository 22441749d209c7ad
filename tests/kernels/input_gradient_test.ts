import assert from "node:assert/strict";
import type { BlockGrid } from "../../kernels/ops/blocks/table.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { conv3dInputGradient, type InputGradientAttrs } from "../../kernels/ops/conv3d/gradients.ts";
import { conv3d, type Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import { convTranspose3dInputGradient } from "../../kernels/ops/conv_transpose3d/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import {
  type DeviceFacts,
  type Dims3,
  elementCount,
  type LowerRequest,
  type OpDef,
  tensor,
  type TensorSpec,
} from "../../kernels/spec.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { type CaseInput, checkOp, type Contents, inputSpec, noise, runOnGpu } from "../support/ops.ts";
import { assertAllClose, toleranceFor } from "../support/tolerance.ts";

const CUBE: Dims3 = [3, 3, 3];
const ONE: Dims3 = [1, 1, 1];
const AT: BlockGrid = { grid: [2, 2, 3], kept: 7 };

/** The operation as a software device, or any other, lowers it. */
function onDevice<A>(op: OpDef<A>, software: boolean): OpDef<A> {
  const lower = (request: LowerRequest<A>) =>
    op.lower({ ...request, device: { ...request.device, software } });
  return { ...op, gradient: undefined, lower };
}

interface Case {
  readonly name: string;
  readonly op: OpDef<never>;
  readonly attrs: unknown;
  readonly inputs: readonly CaseInput[];
}

function gradientOf(
  name: string,
  x: TensorSpec,
  stride: Dims3,
  dy: CaseInput,
  table: CaseInput[] = [],
): Case {
  const attrs: InputGradientAttrs = { kernel: CUBE, stride, first: 2, x, table: table.length > 0 };
  const weight = { shape: [inputSpec(dy).shape[1], 2 + x.shape[1], ...CUBE] };
  return { name, op: conv3dInputGradient as OpDef<never>, attrs, inputs: [dy, weight, ...table] };
}

const half = (shape: readonly number[]) => ({ shape, dtype: "f16" as const });
const cases: readonly Case[] = [
  gradientOf("whole tiles", tensor([2, 6, 4, 8, 8]), ONE, { shape: [2, 5, 4, 8, 8] }),
  gradientOf("an odd size", tensor([1, 5, 3, 5, 7]), ONE, { shape: [1, 3, 3, 5, 7] }),
  gradientOf("stride 2", tensor([1, 4, 6, 8, 8]), [2, 2, 2], { shape: [1, 7, 3, 4, 4] }),
  gradientOf("16-bit floats", tensor([1, 4, 4, 8, 8], "f16"), ONE, half([1, 5, 4, 8, 8])),
  {
    name: "a transposed convolution",
    op: convTranspose3dInputGradient as OpDef<never>,
    attrs: { stride: [2, 2, 2], bias: true },
    inputs: [{ shape: [1, 3, 6, 8, 8] }, { shape: [5, 3, 2, 2, 2] }],
  },
];

/** A second gradient that meets a first one: `first + scale * op(inputs)`. */
function sumGraph(c: Case): { graph: Graph; feeds: Map<Value, Contents>; sum: Value; first: Value } {
  const graph = new Graph();
  const feeds = new Map<Value, Contents>();
  const feed = (name: string, spec: TensorSpec, data: Contents) => {
    const value = graph.input(name, spec);
    feeds.set(value, spec.dtype === "f16" ? data.map(Math.f16round) as Contents : data);
    return value;
  };
  const inputs = c.inputs.map((x, i) => {
    const spec = inputSpec(x);
    return feed(`in${i}`, spec, x.data ?? noise(elementCount(spec.shape), i));
  });
  const [spec] = c.op.infer(inputs.map((v) => v.spec), c.attrs as never);
  const other = feed("other", spec, noise(elementCount(spec.shape), 50));
  const [first] = graph.apply(add, [other, other], {});
  const [second] = graph.apply(c.op, inputs, c.attrs as never);
  const [sum] = graph.apply(add, [first, second], {});
  const [last] = graph.apply(add, [sum, other], {});
  return { graph, feeds, sum: last, first };
}

for (const c of cases) {
  Deno.test(`the planner folds the sum of two gradients into the second one: ${c.name}`, () => {
    const { graph, sum, first } = sumGraph(c);
    graph.output("sum", sum);
    for (const software of [false, true]) {
      const device: DeviceFacts = { ...plainDevice, f16: true, software };
      const plan = compile(graph, { device, phases: { run: [sum] } });
      verifyPlan(plan, device);
      const { name } = c.op;
      assert.deepEqual([...new Set(plan.phases.run.map((d) => d.op))], ["add", name]);
      const gather = plan.phases.run.filter((d) => d.op === name).at(-1)!;
      assert.deepEqual(gather.overwrites.map((o) => o.input), [first.name]);
    }
  });

  for (const software of [false, true]) {
    const where = software ? "on software devices" : "elsewhere";
    const test = c.inputs.some((x) => inputSpec(x).dtype === "f16") ? halfTest : gpuTest;
    test(`an input gradient adds onto the gradient that is there, ${where}: ${c.name}`, async (gpu) => {
      const { graph, feeds, sum } = sumGraph({ ...c, op: onDevice(c.op, software) });
      const [found] = await runOnGpu(gpu, graph, feeds, [sum], { poison: true });
      const known = new Map([...feeds].map(([v, data]) => [v, Float64Array.from(data)]));
      const wanted = interpret(graph, known, [sum]).get(sum)!;
      const tolerance = sum.spec.dtype === "f16" ? { atol: 0.02, rtol: 2e-3 } : toleranceFor(16 * 27);
      assertAllClose(found, wanted, tolerance, "the sum");
    });
  }
}

halfTest("an input gradient adds 16-bit floats in 32 bits and rounds once", async (gpu) => {
  // each product is 2^-12, a quarter of the last digit of 1: added one by one in 16 bits they would vanish
  const graph = new Graph();
  const dy = graph.input("dy", tensor([1, 3, 1, 1, 4], "f16"));
  const w = graph.input("w", tensor([3, 1, 1, 1, 1]));
  const total = graph.state("total", tensor([1, 1, 1, 1, 4], "f16"));
  const attrs: InputGradientAttrs = { kernel: ONE, stride: ONE, first: 0, x: total.spec };
  const dx = graph.apply(onDevice(conv3dInputGradient, true), [dy, w], attrs)[0];
  const [sum] = graph.apply(accumulate, [total, dx], { scale: 1 });
  const plan = compile(graph, { device: gpu.facts, phases: { run: [sum] } });
  assert.deepEqual([...new Set(plan.phases.run.map((d) => d.op))], ["conv3dInputGradient"]);
  using executor = await Executor.create(gpu, plan);
  const values = [0, 1, 2, 3].map((i) => 1 + i / 1024);
  executor.write("dy", Float32Array.from({ length: 12 }, () => 2 ** -6));
  executor.write("w", Float32Array.of(2 ** -6, 2 ** -6, 2 ** -6));
  executor.parameters.write("total", Float32Array.from(values));
  executor.run("run");
  const wanted = values.map((v) => Math.f16round(v + 3 * 2 ** -12));
  assert.deepEqual([...await executor.read("total")], wanted);
});

/** WGSL of the gather that an operation is lowered to. */
function textOf<A>(op: OpDef<A>, inputs: readonly TensorSpec[], attrs: A): string {
  const request = {
    inputs,
    outputs: op.infer(inputs, attrs),
    attrs,
    inPlace: [],
    accumulate: [],
    recompute: false,
  };
  return op.lower({ ...request, device: { ...plainDevice, software: true } }).kernels.at(-1)!.source;
}

Deno.test("on software devices forward and input gradient share their text among channels, sizes and layouts", () => {
  const forward = (x: TensorSpec, out: number, table: TensorSpec[], bias = false): string => {
    const attrs: Conv3dAttrs = { kernel: CUBE, stride: ONE, inputs: 1, bias, table: table.length > 0 };
    const b = bias ? [tensor([out])] : [];
    return textOf(conv3d, [x, tensor([out, x.shape[1], ...CUBE]), ...b, ...table], attrs);
  };
  const backward = (x: TensorSpec, out: number, table: TensorSpec[]): string => {
    const attrs: InputGradientAttrs = { kernel: CUBE, stride: ONE, first: 0, x, table: table.length > 0 };
    const dy = { ...x, shape: [x.shape[0], out, ...x.shape.slice(2)] };
    return textOf(conv3dInputGradient, [dy, tensor([out, x.shape[1], ...CUBE]), ...table], attrs);
  };
  const blocks: BlockGrid = { grid: [6, 6, 6], kept: 87 };
  const kept = inputSpec(blockInput(1, 4, [48, 48, 48], blocks));
  const table = [inputSpec(tableInput(1, blocks))];
  const texts = [
    forward(kept, 4, table),
    forward(kept, 4, table, true),
    backward(kept, 4, table),
    forward(tensor([1, 4, 48, 48, 48]), 4, []),
    backward(tensor([1, 4, 48, 48, 48]), 4, []),
    forward(tensor([2, 3, 40, 40, 40]), 4, [], true),
  ];
  assert.equal(new Set(texts).size, 1);
});

const TWO: Dims3 = [4, 8, 8];
for (const software of [false, true]) {
  const where = software ? "one after another" : "in one kernel";
  for (const bias of [false, true]) {
    gpuTest(
      `conv3d() of three sources, ${where}, matches the reference, bias ${bias}`,
      (gpu) =>
        checkOp(gpu, {
          op: onDevice(conv3d, software),
          attrs: { kernel: CUBE, stride: ONE, inputs: 3, bias },
          inputs: [
            { shape: [2, 3, ...TWO] },
            { shape: [2, 5, ...TWO] },
            { shape: [2, 1, ...TWO] },
            { shape: [6, 9, ...CUBE] },
            ...(bias ? [{ shape: [6] }] : []),
          ],
          tolerance: toleranceFor(9 * 27),
        }),
    );
    gpuTest(
      `conv3d() of blocks and a dense mask, ${where}, matches the reference, bias ${bias}`,
      (gpu) =>
        checkOp(gpu, {
          op: onDevice(conv3d, software),
          attrs: { kernel: CUBE, stride: ONE, inputs: 3, bias, table: true, to: "dense" },
          inputs: [
            { shape: [2, 2, 8, 8, 12] },
            blockInput(2, 17, [8, 8, 12], AT),
            { shape: [2, 1, 8, 8, 12] },
            { shape: [6, 20, ...CUBE] },
            ...(bias ? [{ shape: [6] }] : []),
            tableInput(2, AT),
          ],
          tolerance: toleranceFor(20 * 27),
        }),
    );
  }
}
