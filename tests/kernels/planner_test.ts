import assert from "node:assert/strict";
import { LimitError } from "../../kernels/errors.ts";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { assign } from "../../kernels/ops/assign/op.ts";
import { clipScale, sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { fill } from "../../kernels/ops/fill/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { type Dispatch, elementCount, type Plan, tensor } from "../../kernels/spec.ts";
import { fc } from "../deps.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { type RandomGraph, randomGraphs, updatesOf } from "../support/random_graph.ts";
import { assertAllClose } from "../support/tolerance.ts";

const compileRandom = ({ graph, phases }: RandomGraph): Plan =>
  compile(graph, { device: plainDevice, phases });

/** Life of every tenant of a slot by its bindings: number of the first and the last dispatch of the phase. */
function lives(plan: Plan, dispatches: readonly Dispatch[]) {
  const found = new Map<
    string,
    { slot: number; tenant: string; bytes: number; first: number; last: number }
  >();
  dispatches.forEach((dispatch, at) =>
    dispatch.bindings.forEach(({ buffer, size }, k) => {
      if (plan.buffers[buffer].role !== "slot") return;
      const tenant = dispatch.tenants[k];
      const life = found.get(tenant) ?? { slot: buffer, tenant, bytes: size, first: at, last: at };
      assert.equal(life.slot, buffer, `${tenant} is in two slots`);
      found.set(tenant, { ...life, last: at });
    })
  );
  return [...found.values()];
}

Deno.test("compile() makes plans that verifyPlan() accepts, whatever the graph", () => {
  fc.assert(fc.property(randomGraphs, (random) => verifyPlan(compileRandom(random), plainDevice)), {
    seed: 1,
    numRuns: 300,
  });
});

Deno.test("compile() never lets two tensors share a slot while both are alive", () => {
  fc.assert(
    fc.property(randomGraphs, (random) => {
      const plan = compileRandom(random);
      for (const dispatches of Object.values(plan.phases)) {
        const all = lives(plan, dispatches);
        for (const [i, a] of all.entries()) {
          for (const b of all.slice(i + 1)) {
            if (a.slot !== b.slot || a.last < b.first || b.last < a.first) continue;
            assert.fail(
              `${a.tenant} (${a.first}-${a.last}) and ${b.tenant} (${b.first}-${b.last}) share slot ${a.slot}`,
            );
          }
        }
      }
    }),
    { seed: 2, numRuns: 300 },
  );
});

Deno.test("compile() needs at least what is alive at once and at most one slot a tensor", () => {
  fc.assert(
    fc.property(randomGraphs, (random) => {
      const plan = compileRandom(random);
      const { report } = plan;
      let everything = 0;
      for (const dispatches of Object.values(plan.phases)) {
        const all = lives(plan, dispatches);
        everything += all.reduce((sum, t) => sum + t.bytes, 0);
        dispatches.forEach((_, at) => {
          const alive = all.filter((t) => t.first <= at && at <= t.last).reduce((sum, t) => sum + t.bytes, 0);
          assert.ok(alive <= report.transientLowerBoundBytes, `${alive} bytes are alive at ${at}`);
        });
      }
      const slots = plan.buffers.filter((b) => b.role === "slot").reduce((sum, b) => sum + b.size, 0);
      const persistent = plan.buffers.filter((b) => b.role !== "slot").reduce((sum, b) => sum + b.size, 0);
      assert.equal(report.transientBytes, slots);
      assert.equal(report.persistentBytes, persistent);
      assert.equal(report.peakBytes, slots + persistent);
      assert.ok(report.transientLowerBoundBytes <= slots);
      // tensors that no kernel binds (unused outputs) have slots too, so the sum of bound ones is no upper limit by itself
      assert.ok(slots <= Math.max(everything, report.transientSumBytes * Object.keys(plan.phases).length));
    }),
    { seed: 3, numRuns: 200 },
  );
});

Deno.test("compile() twice gives the same plan, texts and uniforms included", () => {
  fc.assert(
    fc.property(randomGraphs, (random) => {
      const [a, b] = [compileRandom(random), compileRandom(random)];
      assert.equal(JSON.stringify(a), JSON.stringify(b));
    }),
    { seed: 4, numRuns: 50 },
  );
});

Deno.test("compile() lists every WGSL text once", () => {
  fc.assert(
    fc.property(randomGraphs, (random) => {
      const plan = compileRandom(random);
      assert.equal(new Set(plan.sources).size, plan.sources.length);
      assert.equal(plan.report.pipelines, plan.sources.length);
      const used = new Set(Object.values(plan.phases).flat().map((d) => d.source));
      assert.equal(used.size, plan.sources.length);
    }),
    { seed: 5, numRuns: 50 },
  );
});

/** Runs all phases on the device in poison mode and compares outputs and states with the interpreted graph. */
async function compareWithInterpreter(gpu: Gpu, random: RandomGraph): Promise<number> {
  const { graph, phases, feeds, states } = random;
  const plan = compile(graph, { device: gpu.facts, phases });
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan, { poison: true });
  const contents = new Map<Value, Float64Array>([...feeds].map(([v, data]) => [v, Float64Array.from(data)]));
  for (const [value, data] of feeds) executor.write(value.name, data);
  for (const state of states) contents.set(state, new Float64Array(elementCount(state.spec.shape)));
  let compared = 0;
  const check = async (name: string, wanted: Float64Array) => {
    const size = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    assertAllClose(await executor.read(name), wanted, { atol: 1e-5 * size + 1e-30, rtol: 1e-4 }, name);
    compared++;
  };
  for (const [phase, targets] of Object.entries(phases)) {
    executor.run(phase);
    const updates = updatesOf(random, targets);
    const bound = new Set(plan.phases[phase].flatMap((d) => d.tenants));
    const outputs = [...graph.outputs].filter(([, v]) => bound.has(v.name));
    const results = interpret(graph, contents, [...updates.values(), ...outputs.map(([, v]) => v)]);
    for (const [state, value] of updates) contents.set(state, results.get(value)!);
    for (const [name, value] of outputs) await check(name, results.get(value)!);
    for (const state of updates.keys()) await check(state.name, contents.get(state)!);
  }
  return compared;
}

gpuTest("plans of random graphs compute what interpret() computes, in poison mode", async (gpu) => {
  let compared = 0;
  for (const random of fc.sample(randomGraphs, { seed: 11, numRuns: 30 })) {
    try {
      compared += await compareWithInterpreter(gpu, random);
    } catch (cause) {
      const nodes = random.graph.nodes.map((n) => `${n.outputs[0].name}(${n.inputs.map((v) => v.name)})`);
      throw new Error(`random graph ${nodes.join(", ")}: ${cause}`, { cause });
    }
  }
  assert.ok(compared > 60, `only ${compared} tensors were compared`);
});

Deno.test("compile() refuses to read a tensor whose contents an update has replaced", () => {
  const build = () => {
    const graph = new Graph();
    const x = graph.input("x", tensor([4]));
    const [a, b] = [graph.state("a", tensor([4])), graph.state("b", tensor([4]))];
    graph.pack("both", [a, b]);
    const [updated] = graph.apply(accumulate, [a, x], { scale: 1 });
    return { graph, a, b, x, updated };
  };
  const { graph, a, x, updated } = build();
  const [late] = graph.apply(add, [x, a], {});
  assert.throws(() => compile(graph, { device: plainDevice, phases: { run: [updated, late] } }), {
    name: "PlanError",
    message:
      "Cannot read a in add#1: accumulate#0 has replaced its contents in the same phase: read the updated value, " +
      "apply add before the update, or put it into a later phase",
  });
  const whole = build();
  const [flat] = whole.graph.apply(sumSquares, [whole.graph.find("both")], {});
  assert.throws(() => compile(whole.graph, { device: plainDevice, phases: { run: [whole.updated, flat] } }), {
    message: /^Cannot read both in sumSquares#1: accumulate#0 has replaced/,
  });
  const apart = build();
  const [other] = apart.graph.apply(add, [apart.x, apart.b], {});
  const [same] = apart.graph.apply(add, [apart.x, apart.updated], {});
  const [after] = apart.graph.apply(leakyRelu, [apart.a], { slope: 0.1 });
  const phases = { run: [apart.updated, other, same], next: [after] };
  verifyPlan(compile(apart.graph, { device: plainDevice, phases }), plainDevice);
});

Deno.test("compile() refuses to update a tensor that does not persist", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([4]));
  const [y] = graph.apply(add, [x, x], {});
  const [updated] = graph.apply(assign, [y, x], {});
  assert.throws(() => compile(graph, { device: plainDevice, phases: { run: [updated] } }), {
    name: "PlanError",
    message: "Cannot update add#0 in assign: wanted a persistent tensor",
  });
});

Deno.test("compile() names the tensor that is too large, its size, the limit and what to do", () => {
  const graph = new Graph();
  const x = graph.input("image", tensor([1, 1, 512, 512, 256]));
  const [y] = graph.apply(leakyRelu, [x], { slope: 0.1 });
  const options = (device = plainDevice) => ({ device, phases: { run: [y] } });
  assert.throws(
    () => compile(graph, options()),
    (error) => {
      assert.ok(error instanceof LimitError);
      assert.equal(
        error.message,
        "Cannot bind image: needs 256.0 MiB in one binding, adapter imaginary allows 128.0 MiB: use a smaller patch or another adapter",
      );
      assert.deepEqual(error.details, { value: "image", need: 2 ** 28, max: 2 ** 27 });
      return true;
    },
  );
  compile(graph, options({ ...plainDevice, maxBinding: 2 ** 28, maxBuffer: 2 ** 28 }));
  const inside = new Graph();
  const [wide] = inside.apply(fill, [], { shape: [2 ** 26], value: 0 });
  const [total] = inside.apply(sumSquares, [wide], {});
  assert.throws(() => compile(inside, { device: plainDevice, phases: { run: [total] } }), {
    name: "LimitError",
    message: /^Cannot bind fill#0: needs 256\.0 MiB in one binding/,
  });
});

Deno.test("compile() refuses kernels with more storage buffers or workgroups than the device allows", () => {
  const graph = new Graph();
  const sums = Array.from({ length: 6 }, (_, i) => graph.input(`s${i}`, tensor([1])));
  const [clip] = graph.apply(clipScale, sums, { maxNorm: 1 });
  assert.throws(
    () => compile(graph, { device: { ...plainDevice, maxStorageBindings: 4 }, phases: { run: [clip] } }),
    {
      name: "LimitError",
      message: "Cannot bind clipScale: needs 7 storage buffers, adapter allows 4",
    },
  );
  const wide = new Graph();
  const x = wide.input("x", tensor([4 * 3 * 256 * 8]));
  const [y] = wide.apply(leakyRelu, [x], { slope: 0.1 });
  assert.throws(
    () => compile(wide, { device: { ...plainDevice, maxGroupsPerDimension: 2 }, phases: { run: [y] } }),
    {
      name: "LimitError",
      message: "Cannot dispatch leakyRelu 24576: needs 6 workgroups in one dimension, adapter allows 2",
    },
  );
});

Deno.test("compile() places packed tensors at aligned offsets of one buffer", () => {
  const graph = new Graph();
  const parts = [3, 64, 65].map((n, i) => graph.state(`part${i}`, tensor([n])));
  const whole = graph.pack("whole", parts);
  assert.deepEqual(whole.spec.shape, [64 + 64 + 128]);
  const updates = parts.map((part) =>
    graph.apply(assign, [part, graph.apply(fill, [], { shape: part.spec.shape, value: 1 })[0]], {})[0]
  );
  const plan = compile(graph, { device: plainDevice, phases: { run: updates } });
  verifyPlan(plan, plainDevice);
  const { buffer } = plan.named.whole;
  assert.deepEqual(
    parts.map(({ name }) => [plan.named[name].buffer, plan.named[name].offset, plan.named[name].size]),
    [
      [buffer, 0, 12],
      [buffer, 256, 256],
      [buffer, 512, 260],
    ],
  );
});
