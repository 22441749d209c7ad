import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";

/** `sum = a + b` of vectors. */
function sumPlan(gpu: Gpu, length: number) {
  const graph = new Graph();
  const inputs = ["a", "b"].map((name) => graph.input(name, tensor([length])));
  const [sum] = graph.apply(add, inputs, {});
  graph.output("sum", sum);
  return compile(graph, { device: gpu.facts, phases: { run: [sum] } });
}

gpuTest("an executor reads another's output as its input, without a copy", async (gpu) => {
  const plan = sumPlan(gpu, 4);
  using first = await Executor.create(gpu, plan);
  using second = await Executor.create(gpu, plan, { shared: { executor: first, outputs: { a: "sum" } } });
  first.write("a", Float32Array.of(1, 2, 3, 4));
  first.write("b", Float32Array.of(10, 20, 30, 40));
  second.write("b", Float32Array.of(100, 200, 300, 400));
  first.run("run");
  second.run("run");
  assert.deepEqual([...await second.read("sum")], [111, 222, 333, 444]);
  const shared = (executor: Executor, name: string) => ({ shared: { executor, outputs: { a: name } } });
  await assert.rejects(
    Executor.create(gpu, sumPlan(gpu, 5), shared(first, "sum")),
    /16 bytes as sum, the plan wants 20/,
  );
  await assert.rejects(Executor.create(gpu, plan, shared(first, "none")), /has no tensor as none/);
});

gpuTest("an executor clears and reads parts of a tensor, and refuses parts beyond its end", async (gpu) => {
  using executor = await Executor.create(gpu, sumPlan(gpu, 4));
  executor.write("a", Float32Array.of(1, 2, 3, 4));
  executor.clear("a", 4, 8);
  assert.deepEqual([...new Float32Array(await executor.readBytes("a"))], [1, 0, 0, 4]);
  assert.deepEqual([...new Float32Array(await executor.readBytes("a", 8))], [1, 0]);
  assert.throws(() => executor.clear("a", 8, 12), /Cannot reach bytes 8 to 20 of a: the plan has 16 bytes/);
  await assert.rejects(executor.readBytes("none"), /no such tensor/);
});
