import assert from "node:assert/strict";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import type { BlockGrid } from "../../kernels/ops/blocks/table.ts";
import { conv3d } from "../../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../../kernels/ops/conv_transpose3d/op.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { elementCount, type Plan, tensor } from "../../kernels/spec.ts";
import { blockInput, tableInput } from "../support/blocks.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { type CaseInput, inputSpec, noise } from "../support/ops.ts";

const SIZE = [4, 4, 8] as const;
const AT: BlockGrid = { grid: [2, 2, 2], kept: 6 };
const NORM = { eps: 1e-5, affine: false, residual: false, slope: 0.01 };
const CONV = { kernel: [3, 3, 3], stride: [1, 1, 1], inputs: 1, bias: true } as const;

/** A convolution with bias and a norm behind it. */
interface Built {
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<Value, CaseInput>;
  readonly bias: Value;
  readonly y: Value;
  readonly seed: Value;
  readonly gradient: Value;
}

/** @param alsoRead whether the output is the norm's plus the convolution's */
function build(layout: "dense" | "blocks" | "dense-masked" | "transposed", alsoRead = false): Built {
  const graph = new Graph();
  const feeds = new Map<Value, CaseInput>();
  const feed = (name: string, x: CaseInput) => {
    const value = graph.input(name, inputSpec(x));
    feeds.set(value, x);
    return value;
  };
  const blocks = layout === "blocks";
  const x = feed("x", blocks ? blockInput(2, 2, SIZE, AT) : { shape: [2, 2, ...SIZE] });
  const w = feed("w", { shape: layout === "transposed" ? [2, 3, 2, 2, 2] : [3, 2, 3, 3, 3] });
  const bias = feed("bias", { shape: [3] });
  const table = blocks ? [feed("table", tableInput(2, AT))] : [];
  const [conv] = layout === "transposed"
    ? graph.apply(convTranspose3d, [x, w, bias], { stride: [2, 2, 2], bias: true })
    : graph.apply(conv3d, [x, w, bias, ...table], {
      ...CONV,
      ...(blocks ? { table: true, to: AT } : {}),
    });
  const mask = layout === "dense-masked"
    ? [feed("mask", { shape: [2, 1, ...SIZE], data: halfMask(2 * 4 * 4 * 8) })]
    : table;
  const [norm] = graph.apply(instanceNorm, [conv, ...mask], { ...NORM, masked: mask.length > 0 });
  const [y] = alsoRead ? graph.apply(add, [norm, conv], {}) : [norm];
  const seed = feed("seed", { spec: y.spec });
  const gradient = differentiate(graph, { seeds: new Map([[y, seed]]), wrt: [bias, w], add }).get(bias)!;
  return { graph, feeds, bias, y, seed, gradient };
}

function halfMask(length: number): Float32Array<ArrayBuffer> {
  return noise(length, 9).map((v) => v > 0 ? 1 : 0) as Float32Array<ArrayBuffer>;
}

function contents({ feeds }: Built): Map<Value, Float64Array> {
  return new Map(
    [...feeds].map(([value, x], i) => [
      value,
      Float64Array.from(x.data ?? noise(elementCount(value.spec.shape), i)),
    ]),
  );
}

/** Derivative of `sum(y * seed)` with respect to every element of the bias, from the references alone. */
function slopes(built: Built): number[] {
  const at = contents(built);
  const seed = at.get(built.seed)!;
  const objective = () =>
    interpret(built.graph, at, [built.y]).get(built.y)!.reduce((sum, v, i) => sum + v * seed[i], 0);
  return Array.from({ length: 3 }, (_, c) => {
    const moved = (step: number) => {
      at.get(built.bias)![c] += step;
      return objective();
    };
    const [up, down] = [moved(1e-4), moved(-2e-4)];
    moved(1e-4);
    return (up - down) / 2e-4;
  });
}

/** The gradient added onto an accumulator, as a training step does. */
function accumulated(built: Built): Plan {
  const { graph, gradient } = built;
  const total = graph.accumulator("total", gradient.spec);
  const [sum] = graph.apply(accumulate, [total, gradient], { scale: 1 });
  const plan = compile(graph, { device: plainDevice, phases: { run: [sum] } });
  verifyPlan(plan, plainDevice);
  return plan;
}

for (const layout of ["dense", "blocks", "dense-masked", "transposed"] as const) {
  Deno.test(`the gradient of a bias in front of an instance norm is zero and takes no kernel, ${layout}`, () => {
    const built = build(layout);
    for (const slope of slopes(built)) assert.ok(Math.abs(slope) < 1e-7, `derivative ${slope}`);
    const found = interpret(built.graph, contents(built), [built.gradient]).get(built.gradient)!;
    assert.deepEqual([...found], [0, 0, 0]);
    assert.deepEqual(accumulated(built).phases.run, []);
  });

  Deno.test(`the gradient of a bias that others read too is summed, ${layout}`, () => {
    const built = build(layout, true);
    const found = interpret(built.graph, contents(built), [built.gradient]).get(built.gradient)!;
    slopes(built).forEach((slope, c) => {
      assert.ok(Math.abs(slope) > 1e-2, "the bias moves the output");
      assert.ok(Math.abs(slope - found[c]) < 1e-5, `found ${found[c]}, wanted ${slope}`);
    });
    assert.ok(accumulated(built).phases.run.length > 0);
  });
}

gpuTest("a gradient of zero that is an output of the graph is written", async (gpu) => {
  const { graph, gradient } = build("dense");
  graph.output("db", gradient);
  const plan = compile(graph, { device: gpu.facts, phases: { run: [gradient] } });
  using executor = await Executor.create(gpu, plan, { poison: true });
  executor.run("run");
  assert.deepEqual([...await executor.read("db")], [0, 0, 0]);
});

Deno.test("zeros are added where somebody reads the sum", () => {
  const { graph, gradient } = build("dense");
  const total = graph.accumulator("total", tensor([3]));
  const [sum] = graph.apply(accumulate, [total, gradient], { scale: 1 });
  const [doubled] = graph.apply(add, [sum, sum], {});
  graph.output("doubled", doubled);
  const plan = compile(graph, { device: plainDevice, phases: { run: [doubled] } });
  assert.deepEqual(plan.phases.run.map((d) => d.op), ["fill", "accumulate", "add"]);
});
