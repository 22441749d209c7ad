import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { reconstructionError } from "../../kernels/ops/loss/op.ts";
import { writeMetrics } from "../../kernels/ops/metrics/op.ts";
import { clipScale, sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { updateLossScale } from "../../kernels/ops/optimizer/loss_scale.ts";
import { adamwUpdate, sgdUpdate } from "../../kernels/ops/optimizer/op.ts";
import { elementCount, type OpDef, tensor } from "../../kernels/spec.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkGradient, checkOp, noise, type OpCase } from "../support/ops.ts";
import { assertAllClose, toleranceFor } from "../support/tolerance.ts";

const shape = [2, 3, 5, 4, 7];
const mask = noise(2 * 5 * 4 * 7, 3).map((v) => v > 0 ? 1 : 0) as Float32Array<ArrayBuffer>;

for (const power of [1, 2] as const) {
  for (const region of ["all", "hidden", "weighted"] as const) {
    const c: OpCase<{ power: 1 | 2; region: "all" | "hidden" | "weighted" }> = {
      op: reconstructionError,
      attrs: { power, region },
      inputs: [{ shape }, { shape }, ...(region === "all" ? [] : [{ shape: [2, 1, 5, 4, 7], data: mask }])],
      constant: [1, 2],
      tolerance: { atol: 1e-6, rtol: 1e-6 },
    };
    gpuTest(
      `reconstructionError() matches the reference: power ${power}, ${region}`,
      (gpu) => checkOp(gpu, c),
    );
    Deno.test(`reconstructionError() gradient matches finite differences: power ${power}, ${region}`, () =>
      checkGradient(c, 1e-6));
  }
}

gpuTest("sumSquares() and clipScale() match the reference", async (gpu) => {
  await checkOp(gpu, {
    op: sumSquares,
    attrs: {},
    inputs: [{ shape: [70001] }],
    tolerance: { atol: 1e-3, rtol: 1e-6 },
  });
  for (const maxNorm of [null, 0.5, 12]) {
    await checkOp(gpu, {
      op: clipScale,
      attrs: { maxNorm },
      inputs: [{ shape: [1], data: Float32Array.of(4) }, { shape: [1], data: Float32Array.of(5) }],
      tolerance: toleranceFor(2),
    });
  }
  await checkOp(gpu, {
    op: clipScale,
    attrs: { maxNorm: 1 },
    inputs: [{ shape: [1], data: Float32Array.of(Infinity) }],
    tolerance: { atol: 0, rtol: 0 },
  });
});

gpuTest("clipScale() unscales before it clips", async (gpu) => {
  for (const [squares, maxNorm] of [[9 * 2 ** 20, 1], [9 * 2 ** 20, null], [Infinity, 1]] as const) {
    await checkOp(gpu, {
      op: clipScale,
      attrs: { maxNorm, scaled: true },
      inputs: [squares, 0, 1024].map((v) => ({ shape: [1], data: Float32Array.of(v) })),
      tolerance: toleranceFor(2),
    });
  }
});

gpuTest("updateLossScale() halves after an overflow and doubles after enough good steps", async (gpu) => {
  const attrs = { growthInterval: 3, smallest: 1, largest: 16 };
  const graph = new Graph();
  const [scale, good] = [graph.state("scale", tensor([1])), graph.state("good", tensor([1]))];
  const clip = graph.input("clip", tensor([4]));
  const updated = graph.apply(updateLossScale, [scale, good, clip], attrs);
  const plan = compile(graph, { device: gpu.facts, phases: { update: updated } });
  using executor = await Executor.create(gpu, plan);
  executor.write("scale", Float32Array.of(4));
  const found: number[][] = [];
  let wanted = [4, 0];
  const steps = [1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0];
  for (const finite of steps) {
    const contents = Float32Array.of(finite ? 1 : NaN, finite, finite, wanted[0]);
    executor.write("clip", contents);
    executor.run("update");
    found.push([(await executor.read("scale"))[0], (await executor.read("good"))[0]]);
    const feeds = [...wanted.map((v) => Float64Array.of(v)), Float64Array.from(contents)];
    const inputSpecs = [scale, good, clip].map((v) => v.spec);
    wanted = updateLossScale.reference({
      inputs: feeds,
      inputSpecs,
      outputSpecs: inputSpecs.slice(0, 2),
      attrs,
    })
      .map(([v]) => v);
    assertAllClose(found.at(-1)!, wanted, { atol: 0, rtol: 0 }, `after ${found.length} steps`);
  }
  assertAllClose(
    found.map(([s]) => s),
    [4, 4, 2, 2, 2, 4, 4, 4, 8, 8, 8, 16, 8, 4, 2, 1, 1, 1],
    { atol: 0, rtol: 0 },
    "scales",
  );
});

/** Runs an in-place update on persistent tensors twice and compares every state with the reference. */
async function checkUpdate<A>(
  gpu: Gpu,
  op: OpDef<A>,
  attrs: A,
  states: number,
  clip: number[],
): Promise<void> {
  const n = 1000;
  const graph = new Graph();
  const names = ["w", "g", ...["m", "v"].slice(0, states), "clip", "scalars"];
  const persistent = names.map((name, i) => {
    const spec = tensor([i < 2 + states ? n : 4]);
    return i === 0 || (i > 1 && i < 2 + states) ? graph.state(name, spec) : graph.input(name, spec);
  });
  const outputs = graph.apply(op, persistent, attrs);
  const contents = persistent.map((v, i) => {
    if (v.name === "clip") return Float32Array.from(clip);
    if (v.name === "scalars") return Float32Array.of(0.01, 0.1, 0.02, 0);
    const data = noise(elementCount(v.spec.shape), i);
    return v.name === "v" && states === 2 ? data.map(Math.abs) as Float32Array<ArrayBuffer> : data;
  });
  const plan = compile(graph, { device: gpu.facts, phases: { update: outputs } });
  using executor = await Executor.create(gpu, plan);
  persistent.forEach((v, i) => executor.write(v.name, contents[i]));
  let feeds = new Map<Value, Float64Array>(persistent.map((v, i) => [v, Float64Array.from(contents[i])]));
  for (let step = 0; step < 2; step++) {
    executor.run("update");
    const results = interpret(graph, feeds, outputs);
    feeds = new Map(feeds);
    op.updates!.forEach(([input, output]) => feeds.set(persistent[input], results.get(outputs[output])!));
  }
  for (const [input] of op.updates!) {
    assertAllClose(await executor.read(names[input]), feeds.get(persistent[input])!, {
      atol: 2e-6,
      rtol: 2e-6,
    }, `${op.name} ${names[input]}`);
  }
}

gpuTest("sgdUpdate() matches the reference", async (gpu) => {
  await checkUpdate(gpu, sgdUpdate, { momentum: 0.99, nesterov: true, weightDecay: 3e-5 }, 1, [1, 0.5, 1, 0]);
  await checkUpdate(gpu, sgdUpdate, { momentum: 0.9, nesterov: false, weightDecay: 0 }, 1, [1, 1, 1, 0]);
});

gpuTest(
  "adamwUpdate() matches the reference",
  (gpu) =>
    checkUpdate(gpu, adamwUpdate, { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.05 }, 2, [
      1,
      0.5,
      1,
      0,
    ]),
);

gpuTest(
  "sgdUpdate() changes nothing when the gradient norm is not finite",
  (gpu) => checkUpdate(gpu, sgdUpdate, { momentum: 0.9, nesterov: true, weightDecay: 1 }, 1, [NaN, 0, 0, 0]),
);

gpuTest("writeMetrics() and accumulate() update persistent tensors", async (gpu) => {
  const graph = new Graph();
  const ring = graph.state("ring", tensor([3, 2]));
  const total = graph.accumulator("total", tensor([1]));
  const scalars = graph.input("scalars", tensor([4]));
  const value = graph.input("value", tensor([1]));
  const [sum] = graph.apply(accumulate, [total, value], { scale: 0.5 });
  const [row] = graph.apply(writeMetrics, [ring, scalars, total, value], {
    picks: [{ input: 0, element: 0 }, { input: 1, element: 0 }],
  });
  const plan = compile(graph, { device: gpu.facts, phases: { add: [sum], log: [row] } });
  using executor = await Executor.create(gpu, plan);
  for (let step = 0; step < 3; step++) {
    executor.clearAccumulators();
    executor.write("value", Float32Array.of(step + 1));
    executor.write("scalars", Float32Array.of(0, 0, 0, step));
    executor.run("add");
    executor.run("add");
    executor.run("log");
  }
  assertAllClose(await executor.read("ring"), [1, 1, 2, 2, 3, 3], { atol: 0, rtol: 0 }, "ring");
});
