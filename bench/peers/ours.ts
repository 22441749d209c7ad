/** This project's convolution for the comparison. */
import { differentiate } from "../../kernels/graph/gradient.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { conv3d, type Conv3dAttrs } from "../../kernels/ops/conv3d/op.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { tensor } from "../../kernels/spec.ts";
import type { BenchCase } from "../case.ts";
import type { ConvData, ConvLibrary, ConvOp, ConvShape, Direction } from "./conv_library.ts";

const ATTRS: Conv3dAttrs = {
  kernel: [3, 3, 3],
  stride: [1, 1, 1],
  bias: false,
  inputs: 1,
};
/** Runs of one submission loop: nothing is allocated. */
const MOST_RUNS = 1024;
/** Edge of the cube on which the operation is compared with its float64 reference. */
const SMALL_EDGE = 6;

/** The same channels on a small cube, for `validateCase`. */
export function smallCase({ from, to }: ConvShape): BenchCase {
  return {
    op: conv3d,
    attrs: ATTRS,
    shape: `${from}->${to} k3 s1 ${SMALL_EDGE}^3`,
    inputs: [
      { shape: [1, from, SMALL_EDGE, SMALL_EDGE, SMALL_EDGE] },
      { shape: [to, from, 3, 3, 3] },
    ],
  };
}

/** Ours, on an open device. */
export function ourLibrary(gpu: Gpu, commit: string): ConvLibrary {
  return {
    name: "spark3d",
    version: commit,
    async prepare(shape, data) {
      const forward = await prepareOp(gpu, shape, data, "forward");
      const inputGradient = await prepareOp(gpu, shape, data, "inputGradient");
      const weightGradient = await prepareOp(
        gpu,
        shape,
        data,
        "weightGradient",
      );
      return {
        forward,
        inputGradient,
        weightGradient,
        [Symbol.dispose]() {
          for (const op of [forward, inputGradient, weightGradient]) {
            op[Symbol.dispose]();
          }
        },
      };
    },
    [Symbol.dispose]() {}, // the device belongs to the caller
  };
}

async function prepareOp(
  gpu: Gpu,
  { from, to, edge }: ConvShape,
  data: ConvData,
  direction: Direction,
): Promise<ConvOp & Disposable> {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, from, edge, edge, edge]));
  const w = graph.input("w", tensor([to, from, 3, 3, 3]));
  const [y] = graph.apply(conv3d, [x, w], ATTRS);
  const feeds = new Map<Value, Float32Array<ArrayBuffer>>([[x, data.x], [
    w,
    data.w,
  ]]);
  let target = y;
  if (direction !== "forward") {
    const dy = graph.input("dy", tensor([1, to, edge, edge, edge]));
    feeds.set(dy, data.dy);
    const wrt = direction === "inputGradient" ? x : w;
    target = differentiate(graph, {
      seeds: new Map([[y, dy]]),
      wrt: [wrt],
      add,
    }).get(wrt)!;
  }
  graph.output("result", target);
  const plan = compile(graph, { device: gpu.facts, phases: { run: [target] } });
  verifyPlan(plan, gpu.facts);
  const executor = await Executor.create(gpu, plan);
  for (const [value, contents] of feeds) {
    if (value.name in plan.named) executor.write(value.name, contents); // an operation needs two of the three
  }
  return {
    mostRuns: MOST_RUNS,
    async run(count) {
      for (let i = 0; i < count; i++) executor.run("run");
      await executor.finish();
    },
    async result() {
      executor.run("run");
      return await executor.read("result");
    },
    [Symbol.dispose]: () => executor[Symbol.dispose](),
  };
}
