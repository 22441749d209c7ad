import assert from "node:assert/strict";
import { LimitError, PlanError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { type Gpu, openGpu } from "../../kernels/runtime/device.ts";
import { Executor, uniformStride } from "../../kernels/runtime/executor.ts";
import { ParameterStore } from "../../kernels/runtime/parameters.ts";
import { StagingRing } from "../../kernels/runtime/transfer.ts";
import { type OpDef, tensor } from "../../kernels/spec.ts";
import { input, kernel, output } from "../../kernels/wgsl/module.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { noise } from "../support/ops.ts";
import { deviceError, planError, smallGraph } from "../support/small_graph.ts";

gpuTest("executors share pipelines by WGSL text", async () => {
  using gpu = await openGpu();
  const { plan } = smallGraph();
  const made: string[] = [];
  const original = gpu.device.createComputePipelineAsync.bind(gpu.device);
  gpu.device.createComputePipelineAsync = (descriptor) => {
    made.push("pipeline");
    return original(descriptor);
  };
  using _first = await Executor.create(gpu, plan(gpu));
  assert.equal(made.length, plan(gpu).sources.length);
  using _second = await Executor.create(gpu, smallGraph(3).plan(gpu));
  assert.equal(made.length, plan(gpu).sources.length, "the second executor has the same texts");
  assert.equal(gpu.pipelines.size, made.length);
});

gpuTest("Executor.write() and read() name a wrong tensor, size, type or phase", async (gpu) => {
  using executor = await Executor.create(gpu, smallGraph().plan(gpu));
  assert.throws(
    () => executor.write("z", new Float32Array(4)),
    planError("Cannot write z: the plan has no such tensor"),
  );
  assert.throws(
    () => executor.write("x", new Float32Array(4)),
    planError("Cannot write x: found 16 bytes, wanted 256 [64]"),
  );
  await assert.rejects(
    executor.read("z"),
    planError("Cannot read z: the plan has no such named tensor; declare it with graph.output"),
  );
  await assert.rejects(executor.read("cells"), planError("Cannot read cells: it is i32, wanted f32 or f16"));
  assert.throws(() => executor.run("train"), planError("Cannot run phase train: the plan has step, norm"));
});

gpuTest("ParameterStore returns what was written and refuses other sizes and names", async (gpu) => {
  using store = ParameterStore.create(gpu, smallGraph().plan(gpu));
  const values = noise(64, 5);
  assert.deepEqual([...await store.read("w")], new Array(64).fill(0), "tensors start at zero");
  store.write("w", values);
  assert.deepEqual([...await store.read("w")], [...values]);
  assert.deepEqual(
    [...await store.read("total")],
    new Array(64).fill(0),
    "other tensors keep their contents",
  );
  assert.throws(
    () => store.write("w", new Float32Array(3)),
    planError("Cannot write w: found 3 elements, wanted 64 [64]"),
  );
  const missing = "Cannot access x: the plan has no such parameter or state";
  assert.throws(() => store.write("x", values), planError(missing));
  await assert.rejects(store.read("x"), planError(missing));
});

gpuTest("Executor and ParameterStore convert 16-bit floats on their way", async (gpu) => {
  using executor = await Executor.create(gpu, smallGraph().plan(gpu));
  const values = Float32Array.of(1 / 3, -2049, 1e6);
  const wanted = [...values].map(Math.f16round);
  executor.write("half", values);
  assert.deepEqual([...await executor.read("half")], wanted);
  assert.deepEqual([...await executor.parameters.read("half")], wanted);
  executor.parameters.write("half", Float32Array.of(4, 5, 6));
  assert.deepEqual([...await executor.read("half")], [4, 5, 6]);
  assert.throws(
    () => executor.write("half", new Float32Array(5)),
    planError("Cannot write half: found 12 bytes, wanted 8 [3]"),
  );
});

gpuTest("executors of different plans share a ParameterStore by name", async (gpu) => {
  const plans = [smallGraph(0).plan(gpu), smallGraph(3).plan(gpu)];
  assert.notEqual(
    plans[0].named.w.buffer,
    plans[1].named.w.buffer,
    "the plans number their buffers differently",
  );
  using store = ParameterStore.create(gpu, plans[0]);
  const w = noise(64, 6).map(Math.abs) as Float32Array<ArrayBuffer>;
  store.write("w", w);
  for (const plan of plans) {
    using executor = await Executor.create(gpu, plan, { parameters: store });
    executor.write("x", new Float32Array(64));
    executor.run("step");
    assert.deepEqual([...await executor.read("y")], [...w]);
  }
  assert.deepEqual(
    [...await store.read("total")],
    w.values().map((v) => 2 * v).toArray(),
    "both added, and the store outlived them",
  );
});

gpuTest("a ParameterStore of another network is refused", async (gpu) => {
  using store = ParameterStore.create(gpu, smallGraph().plan(gpu));
  const planWith = (name: string, length: number) => {
    const graph = new Graph();
    const w = graph.parameter(name, tensor([length]), { kind: "zeros" });
    const [y] = graph.apply(add, [w, w], {});
    return compile(graph, { device: gpu.facts, phases: { run: [y] } });
  };
  const remedy = "use plans of the same network and optimiser";
  await assert.rejects(
    Executor.create(gpu, planWith("v", 64), { parameters: store }),
    planError(
      `Cannot share parameter v: the store has no tensor of that name, the plan wants 256 bytes: ${remedy}`,
    ),
  );
  await assert.rejects(
    Executor.create(gpu, planWith("w", 65), { parameters: store }),
    planError(
      `Cannot share parameter w: the store has 256 bytes under that name, the plan wants 260 bytes: ${remedy}`,
    ),
  );
});

/** `y = x + 0 + 1 + ... + (terms - 1)`, every term a parameter of the kernel. */
const addParameters: OpDef<{ readonly terms: number }> = {
  name: "addParameters",
  infer: ([x]) => [x],
  cost: () => ({ flop: 0, bytesRead: 0, bytesWritten: 0 }),
  lower({ attrs: { terms }, device }) {
    const names = Array.from({ length: terms }, (_, i) => `t${i}`);
    return {
      variant: "",
      scratch: [],
      kernels: [kernel({
        label: `addParameters ${terms}`,
        device,
        bindings: [input(0, "x"), output(0, "y")],
        params: Object.fromEntries(names.map((name, i) => [name, { f32: i }])),
        groups: 1,
        workgroupSize: 4,
        body: `y[tid] = ${["x[tid]", ...names.map((name) => `p.${name}`)].join(" + ")};`,
      })],
    };
  },
  reference: ({ inputs: [x], attrs: { terms } }) => [x.map((v) => v + terms * (terms - 1) / 2)],
};

gpuTest("uniform blocks of any size lie as far apart as the plan's largest one wants", async (gpu) => {
  const strides: number[] = [];
  for (const terms of [1, 140, 300]) {
    const graph = new Graph();
    let x = graph.input("x", tensor([4]));
    for (const count of [2, terms, 3]) [x] = graph.apply(addParameters, [x], { terms: count });
    graph.output("y", x);
    const plan = compile(graph, { device: gpu.facts, phases: { run: [x] } });
    strides.push(uniformStride(plan));
    using executor = await Executor.create(gpu, plan);
    executor.write("x", Float32Array.of(0, 1, 2, 3));
    executor.run("run");
    const sum = 1 + terms * (terms - 1) / 2 + 3;
    assert.deepEqual([...await executor.read("y")], [sum, sum + 1, sum + 2, sum + 3]);
  }
  assert.deepEqual(strides, [256, 768, 1280]);
});

Deno.test("kernel() refuses a uniform block that not every device takes", () => {
  const request = { inputs: [], outputs: [], inPlace: [], accumulate: [], recompute: false };
  assert.throws(
    () => addParameters.lower({ ...request, attrs: { terms: 17000 }, device: plainDevice }),
    (error) =>
      error instanceof LimitError &&
      error.message ===
        "Cannot lower addParameters 17000: needs 68032 bytes in a uniform block, WebGPU allows 65536: pass tables as tensors",
  );
});

gpuTest("clearAccumulators() zeroes accumulators and nothing else", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([4]));
  const [gradient, state] = [graph.accumulator("gradient", tensor([4])), graph.state("state", tensor([4]))];
  const updated = [gradient, state].map((v) => graph.apply(accumulate, [v, x], { scale: 1 })[0]);
  const plan = compile(graph, { device: gpu.facts, phases: { run: updated } });
  using executor = await Executor.create(gpu, plan);
  executor.write("x", Float32Array.of(1, 2, 3, 4));
  executor.run("run");
  executor.run("run");
  assert.deepEqual([...await executor.read("gradient")], [2, 4, 6, 8]);
  executor.clearAccumulators();
  assert.deepEqual([...await executor.read("gradient")], [0, 0, 0, 0]);
  assert.deepEqual([...await executor.read("state")], [2, 4, 6, 8]);
});

gpuTest("StagingRing reuses a buffer for the next read of the same size class", async (gpu) => {
  const made: number[] = [];
  const counting = {
    ...gpu,
    device: new Proxy(gpu.device, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          if (key === "createBuffer") made.push((args[0] as GPUBufferDescriptor).size);
          return value.apply(target, args);
        };
      },
    }),
  } as Gpu;
  const source = gpu.device.createBuffer({
    size: 8192,
    usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  const data = noise(2048, 7);
  gpu.device.queue.writeBuffer(source, 0, data);
  using ring = new StagingRing(counting);
  for (const [offset, size] of [[0, 64], [64, 4096], [0, 8192], [4096, 4096]]) {
    const found = new Float32Array(await ring.read(source, offset, size), 0, size / 4);
    assert.deepEqual([...found], [...data.subarray(offset / 4, (offset + size) / 4)]);
  }
  assert.deepEqual(made, [4096, 8192]);
  await Promise.all([ring.read(source, 0, 8), ring.read(source, 8, 8)]);
  assert.deepEqual(made, [4096, 8192, 4096], "two reads at once need two buffers");
  source.destroy();
});

gpuTest("profile() gives one time a dispatch, in order", async (gpu) => {
  const plan = smallGraph().plan(gpu);
  using executor = await Executor.create(gpu, plan);
  if (!gpu.facts.timestamps) {
    return void await assert.rejects(
      executor.profile("step"),
      deviceError(/has no timestamp-query/, "feature"),
    );
  }
  const times = await executor.profile("step");
  assert.deepEqual(times.map((t) => t.label), plan.phases.step.map((d) => d.label));
  assert.deepEqual(times.map((t) => t.cost), plan.phases.step.map((d) => d.cost));
  for (const { ms, label } of times) assert.ok(ms >= 0 && ms < 1000, `${label} took ${ms} ms`);
  await assert.rejects(
    executor.profile("train"),
    planError("Cannot run phase train: the plan has step, norm"),
  );
});

gpuTest("profile() needs timestamp-query", async (gpu) => {
  const plain = { ...gpu, facts: { ...gpu.facts, timestamps: false } };
  using executor = await Executor.create(plain, smallGraph().plan(gpu));
  await assert.rejects(
    executor.profile("step"),
    deviceError(/^Cannot profile on .*: it has no timestamp-query, use the host clock$/, "feature"),
  );
});

gpuTest("profile() times dispatches by the host's clock where there are no timestamps", async (gpu) => {
  const plain = { ...gpu, facts: { ...gpu.facts, timestamps: false } };
  const plan = smallGraph().plan(gpu);
  using executor = await Executor.create(plain, plan);
  executor.write("x", new Float32Array(64).fill(1));
  const times = await executor.profile("step", "host");
  assert.deepEqual(times.map((t) => t.label), plan.phases.step.map((d) => d.label));
  for (const { ms, label } of times) assert.ok(ms >= 0 && ms < 1000, `${label} took ${ms} ms`);
  assert.equal((await executor.read("y"))[0], 1, "the dispatches were run");
});

gpuTest("running a phase reads nothing back: 50 runs make no mapAsync call", async (gpu) => {
  using executor = await Executor.create(gpu, smallGraph().plan(gpu));
  const prototype: GPUBuffer = Object.getPrototypeOf(executor.buffers[0]);
  const original = prototype.mapAsync;
  let calls = 0;
  prototype.mapAsync = function (...args) {
    calls++;
    return original.apply(this, args);
  };
  try {
    for (let step = 0; step < 50; step++) {
      executor.clearAccumulators();
      executor.write("x", new Float32Array(64).fill(step));
      executor.run("step");
      executor.run("norm");
    }
    assert.equal(calls, 0);
    assert.equal((await executor.read("total"))[0], 49 * 50 / 2, "all 50 runs happened");
    assert.equal(calls, 1);
  } finally {
    prototype.mapAsync = original;
  }
});

gpuTest("poison mode shows a planner error as NaN", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([8]));
  const [a] = graph.apply(leakyRelu, [x], { slope: 0.1 });
  const [b] = graph.apply(leakyRelu, [a], { slope: 0.1 });
  const [c] = graph.apply(add, [x, b], {});
  graph.output("c", c);
  const plan = compile(graph, { device: gpu.facts, phases: { run: [c] } });
  // as if the planner had let b die too early: its reader looks into the slot of a, which nobody needs any more
  const late = plan.phases.run.map((d, i) =>
    i === 2
      ? {
        ...d,
        bindings: [
          d.bindings[0],
          { ...d.bindings[1], buffer: plan.phases.run[0].bindings[1].buffer },
          ...d.bindings.slice(2),
        ],
      }
      : d
  );
  const wrong = { ...plan, phases: { run: late } };
  assert.throws(() => verifyPlan(wrong, gpu.facts), PlanError);
  const results: number[] = [];
  for (const [p, poison] of [[plan, true], [wrong, false], [wrong, true]] as const) {
    using executor = await Executor.create(gpu, p, { poison });
    executor.write("x", new Float32Array(8).fill(2));
    executor.run("run");
    results.push((await executor.read("c"))[0]);
  }
  assert.deepEqual(results, [4, 4, NaN], "right plan, wrong plan unnoticed, wrong plan noticed");
});
