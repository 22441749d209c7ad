import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile, type CompileOptions } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { assign } from "../../kernels/ops/assign/op.ts";
import { instanceNorm } from "../../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { type Dispatch, type Plan, tensor } from "../../kernels/spec.ts";
import { fc } from "../deps.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { randomGraphs } from "../support/random_graph.ts";

const N = 64;
const BYTES = 4 * N;

/**
 * A chain of `depth` activations and a loss that needs the first one again at the end: at the peak in the middle it waits.
 * The sum of squares of every link keeps the links from being summed into each other.
 */
function waitingGraph(): { graph: Graph; phases: CompileOptions["phases"] } {
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const [early] = graph.within("early", () => graph.apply(leakyRelu, [x], { slope: 0.1 }));
  const [start] = graph.apply(sumSquares, [early], {});
  const [a] = graph.within("a", () => graph.apply(add, [x, x], {}));
  const [b] = graph.within("b", () => graph.apply(add, [a, x], {}));
  const [c] = graph.within("c", () => graph.apply(add, [a, b], {}));
  const [d] = graph.apply(sumSquares, [c], {});
  const [late] = graph.within("late", () => graph.apply(add, [early, x], {}));
  const [end] = graph.apply(sumSquares, [late], {});
  for (const [name, value] of Object.entries({ start, d, end })) graph.output(name, value);
  return { graph, phases: { run: [start, d, end] } };
}

const planOf = (options: Partial<CompileOptions> = {}): Plan => {
  const { graph, phases } = waitingGraph();
  const plan = compile(graph, { device: plainDevice, phases, ...options });
  verifyPlan(plan, plainDevice);
  return plan;
};

const remadeIn = (plan: Plan): readonly string[] =>
  Object.values(plan.phases).flat().flatMap((d) => d.remakes.map((r) => r.tenant));

Deno.test("compile() makes a waiting activation again before its next use when asked to", () => {
  const [off, all] = [planOf({ recompute: "off" }), planOf({ recompute: "all" })];
  assert.deepEqual(remadeIn(off), []);
  assert.deepEqual(remadeIn(all), ["early/leakyRelu#0.again1"]);
  assert.equal(all.report.transientBytes, off.report.transientBytes - BYTES);
  const remade = all.phases.run.findIndex((d) => d.remakes.length > 0);
  assert.equal(all.phases.run[remade].op, "leakyRelu");
  assert.deepEqual(all.phases.run[remade + 1].overwrites.map((o) => o.input), ["early/leakyRelu#0.again1"]);
  assert.ok(all.phases.run.slice(remade).every((d) => !d.tenants.includes("early/leakyRelu#0")));
});

Deno.test("compile() recomputes by itself only to stay within the memory budget", () => {
  const off = planOf({ recompute: "off" });
  assert.deepEqual(remadeIn(planOf()), []);
  assert.deepEqual(remadeIn(planOf({ memoryBudget: off.report.peakBytes })), []);
  const tight = planOf({ memoryBudget: off.report.peakBytes - 4 });
  assert.deepEqual(remadeIn(tight), ["early/leakyRelu#0.again1"]);
  assert.ok(tight.report.peakBytes < off.report.peakBytes);
});

Deno.test("compile() refuses a budget that recomputing cannot meet, and says what it needs", () => {
  const { peakBytes } = planOf({ recompute: "all" }).report;
  const error = {
    name: "LimitError",
    message:
      /^Cannot plan within \d+ B of device memory: needs \d+ B, recomputing included: use a smaller patch or a larger budget$/,
    details: { value: "device memory", need: peakBytes, max: 700 },
  };
  assert.throws(() => planOf({ memoryBudget: 700 }), error);
  assert.throws(() => planOf({ memoryBudget: 700, recompute: "off" }), { message: /needs [\d.]+ KiB: use/ });
});

Deno.test("compile() keeps an activation whose input was updated in between", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const state = graph.state("state", tensor([N]));
  const [early] = graph.apply(leakyRelu, [state], { slope: 0.1 });
  const [start] = graph.apply(sumSquares, [early], {});
  const [updated] = graph.apply(assign, [state, x], {});
  const [a] = graph.apply(add, [x, x], {});
  const [b] = graph.apply(add, [a, x], {});
  const [c] = graph.apply(add, [a, b], {});
  const [d] = graph.apply(sumSquares, [c], {});
  const [late] = graph.apply(add, [early, x], {});
  const [end] = graph.apply(sumSquares, [late], {});
  for (const [name, value] of Object.entries({ start, d, end })) graph.output(name, value);
  const plan = compile(graph, {
    device: plainDevice,
    phases: { run: [start, updated, d, end] },
    recompute: "all",
  });
  verifyPlan(plan, plainDevice);
  assert.deepEqual(remadeIn(plan), []);
});

Deno.test("instance norm is made again without its statistics", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 2, 4, 4, 4]));
  const attrs = { eps: 1e-5, affine: false, residual: false, masked: false, slope: 0.01 };
  const [y] = graph.apply(instanceNorm, [x], attrs);
  const [start] = graph.apply(sumSquares, [y], {});
  const [a] = graph.apply(add, [x, x], {});
  const [b] = graph.apply(add, [a, x], {});
  const [c] = graph.apply(add, [a, b], {});
  const [d] = graph.apply(sumSquares, [c], {});
  const [late] = graph.apply(add, [y, x], {});
  const [end] = graph.apply(sumSquares, [late], {});
  for (const [name, value] of Object.entries({ start, d, end })) graph.output(name, value);
  const plan = compile(graph, { device: plainDevice, phases: { run: [start, d, end] }, recompute: "all" });
  verifyPlan(plan, plainDevice);
  const norms = plan.phases.run.filter((dispatch) => dispatch.op === "instanceNorm");
  assert.deepEqual(norms.map((n) => n.remakes.length), [0, 1]);
  assert.deepEqual(norms[1].tenants, ["x", "instanceNorm#0.1", "instanceNorm#0.0.again1"]);
});

Deno.test("random graphs stay valid when everything is recomputed, and never need more", () => {
  let remade = 0;
  fc.assert(
    fc.property(randomGraphs, ({ graph, phases }) => {
      const off = compile(graph, { device: plainDevice, phases, recompute: "off" });
      const all = compile(graph, { device: plainDevice, phases, recompute: "all" });
      verifyPlan(all, plainDevice);
      assert.ok(all.report.transientLowerBoundBytes <= off.report.transientLowerBoundBytes);
      assert.equal(all.report.persistentBytes, off.report.persistentBytes);
      remade += remadeIn(all).length;
    }),
    { seed: 11, numRuns: 300 },
  );
  assert.ok(remade > 100, `only ${remade} tensors were remade`);
});

gpuTest("recomputed random graphs give the same bits, in poison mode", async (gpu) => {
  let remade = 0;
  for (const { graph, phases, feeds, states } of fc.sample(randomGraphs, { seed: 12, numRuns: 80 })) {
    const results: Float32Array[][] = [];
    for (const recompute of ["off", "all"] as const) {
      const plan = compile(graph, { device: gpu.facts, phases, recompute });
      remade += remadeIn(plan).length;
      using executor = await Executor.create(gpu, plan, { poison: true });
      for (const [value, data] of feeds) executor.write(value.name, data);
      for (const phase of Object.keys(phases)) executor.run(phase);
      const names = [
        ...Object.keys(plan.named).filter((name) => graph.outputs.has(name)),
        ...states.map((s) => s.name),
      ];
      results.push(await Promise.all(names.map((name) => executor.read(name))));
    }
    const [off, all] = results;
    off.forEach((data, i) => assertSameBits(all[i], data));
  }
  assert.ok(remade > 10, `only ${remade} tensors were remade`);
});

/** Compares as 32-bit words: NaN equals NaN, and 0 differs from -0. */
function assertSameBits(found: Float32Array, wanted: Float32Array): void {
  const [a, b] = [found, wanted].map((t) => new Uint32Array(t.buffer, t.byteOffset, t.length));
  assert.equal(a.length, b.length);
  const at = a.findIndex((word, i) => word !== b[i]);
  assert.equal(at, -1, `element ${at}: ${found[at]} where ${wanted[at]} was wanted`);
}

/** The plan with recomputing, one dispatch of it changed; `pick` says which. */
function broken(pick: (d: Dispatch) => boolean, change: (d: Dispatch) => Partial<Dispatch>): Plan {
  const plan = planOf({ recompute: "all" });
  const at = plan.phases.run.findIndex(pick);
  assert.ok(at >= 0);
  return { ...plan, phases: { run: plan.phases.run.map((d, i) => i === at ? { ...d, ...change(d) } : d) } };
}

Deno.test("verifyPlan() refuses a tensor that is made again from something else", () => {
  const other = broken((d) => d.remakes.length > 0, (d) => ({
    tenants: d.tenants.map((t) => t === "x" ? "y" : t),
  }));
  assert.throws(() => verifyPlan(other, plainDevice), {
    name: "PlanError",
    message:
      "Plan is invalid: phase run: early/leakyRelu#0.again1 is made from y after 0 writes, but early/leakyRelu#0 from x after 0 writes",
  });
});

Deno.test("verifyPlan() refuses a tensor that is made again after its source was written", () => {
  const plan = planOf({ recompute: "all" });
  const [first, ...rest] = plan.phases.run;
  const x = plan.named.x;
  const writer: Dispatch = {
    ...first,
    bindings: [{ ...x, size: BYTES }],
    access: ["read_write"],
    tenants: ["x"],
    remakes: [],
    overwrites: [],
  };
  assert.throws(() => verifyPlan({ ...plan, phases: { run: [first, writer, ...rest] } }, plainDevice), {
    message:
      "Plan is invalid: phase run: early/leakyRelu#0.again1 is made from x after 1 writes, but early/leakyRelu#0 from x after 0 writes",
  });
});

Deno.test("a value that others are added onto is not kept for remaking", () => {
  // early is added onto, so what is made from it cannot be made again from it
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const total = graph.state("total", tensor([N]));
  const [onto] = graph.apply(add, [x, x], {});
  const [early] = graph.apply(leakyRelu, [onto], { slope: 0.1 });
  const [start] = graph.apply(sumSquares, [early], {});
  const [more] = graph.apply(leakyRelu, [x], { slope: 0.3 });
  const [sum] = graph.apply(add, [onto, more], {});
  const [squares] = graph.apply(sumSquares, [sum], {});
  const [a] = graph.apply(add, [x, x], {});
  const [b] = graph.apply(add, [a, x], {});
  const [c] = graph.apply(add, [a, b], {});
  const [d] = graph.apply(sumSquares, [c], {});
  const [kept] = graph.apply(accumulate, [total, sum], { scale: 1 });
  const [late] = graph.apply(add, [early, x], {});
  const [end] = graph.apply(sumSquares, [late], {});
  for (const [name, value] of Object.entries({ start, squares, d, end })) graph.output(name, value);
  const phases = { run: [start, squares, d, kept, end] };
  const plan = compile(graph, { device: plainDevice, phases, recompute: "all" });
  verifyPlan(plan, plainDevice);
  assert.ok(!remadeIn(plan).includes("leakyRelu#1.again1"));
  assert.ok(
    plan.phases.run.some((dispatch) => dispatch.op === "leakyRelu" && dispatch.overwrites.length > 0),
  );
});
