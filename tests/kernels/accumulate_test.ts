import assert from "node:assert/strict";
import { Graph, type Value } from "../../kernels/graph/graph.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { conv3dWeightGradient } from "../../kernels/ops/conv3d/gradients.ts";
import { instanceNormGradient } from "../../kernels/ops/instance_norm/gradient.ts";
import { appendTokenChannelGradient } from "../../kernels/ops/blocks/append_token_channel.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { tokenGradient } from "../../kernels/ops/mask/op.ts";
import { avgPool3dGradient } from "../../kernels/ops/pool/op.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { elementCount, type OpDef, type Plan, tensor } from "../../kernels/spec.ts";
import { plainDevice } from "../support/device_facts.ts";
import { gpuTest } from "../support/gpu.ts";
import { noise } from "../support/ops.ts";
import { assertAllClose } from "../support/tolerance.ts";

const N = 64;
const slope = { slope: 0.1 };

const planOf = (graph: Graph, targets: readonly Value[]): Plan => {
  const plan = compile(graph, { device: plainDevice, phases: { run: targets } });
  verifyPlan(plan, plainDevice);
  return plan;
};
const opsOf = (plan: Plan): readonly string[] => plan.phases.run.map((d) => d.op);

Deno.test("a producer adds straight into an accumulator, with its scale and the cost of reading it", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const total = graph.accumulator("total", tensor([N]));
  const [y] = graph.apply(leakyRelu, [x], slope);
  const [sum] = graph.apply(accumulate, [total, y], { scale: 0.25 });
  const plan = planOf(graph, [sum]);
  assert.deepEqual(opsOf(plan), ["leakyRelu"]);
  assert.deepEqual(plan.phases.run[0].tenants, ["x", "accumulate#1"]);
  assert.equal(plan.phases.run[0].bindings[1].buffer, plan.named.total.buffer);
  assert.deepEqual(plan.phases.run[0].cost, {
    flop: 3 * N,
    added: 2 * N,
    bytesRead: 2 * 4 * N,
    bytesWritten: 4 * N,
  });
  assert.equal(plan.report.transientBytes, 0);
});

Deno.test("the second of two gradients is added onto the first, whichever side of the sum it is on", () => {
  for (const swapped of [false, true]) {
    const graph = new Graph();
    const x = graph.input("x", tensor([N]));
    const [first] = graph.apply(add, [x, x], {});
    const [second] = graph.apply(leakyRelu, [x], slope);
    const [sum] = graph.apply(add, swapped ? [second, first] : [first, second], {});
    const [last] = graph.apply(add, [sum, x], {});
    graph.output("last", last);
    const plan = planOf(graph, [last]);
    assert.deepEqual(opsOf(plan), ["add", "leakyRelu", "add"]);
    assert.deepEqual(plan.phases.run[1].overwrites.map((o) => o.input), ["add#0"]);
    assert.equal(plan.report.transientBytes, 4 * N);
  }
});

/** Graphs in which a sum must stay: each says why. */
const stays: Record<string, (graph: Graph, x: Value) => readonly Value[]> = {
  "somebody else needs the producer's output": (graph, x) => {
    const total = graph.accumulator("total", tensor([N]));
    const [y] = graph.apply(leakyRelu, [x], slope);
    const [sum] = graph.apply(accumulate, [total, y], { scale: 1 });
    const [other] = graph.apply(add, [y, x], {});
    graph.output("other", other);
    return [sum, other];
  },
  "the producer's output is an output of the graph": (graph, x) => {
    const total = graph.accumulator("total", tensor([N]));
    const [y] = graph.apply(leakyRelu, [x], slope);
    graph.output("y", y);
    return graph.apply(accumulate, [total, y], { scale: 1 });
  },
  "somebody needs the first term after the producer": (graph, x) => {
    const [first] = graph.apply(add, [x, x], {});
    const [second] = graph.apply(leakyRelu, [x], slope);
    const [other] = graph.apply(add, [first, x], {});
    const [sum] = graph.apply(add, [first, second], {});
    graph.output("other", other);
    graph.output("sum", graph.apply(add, [sum, x], {})[0]);
    return [...graph.outputs.values()];
  },
  "the producer reads the first term": (graph, x) => {
    const [first] = graph.apply(add, [x, x], {});
    const [second] = graph.apply(leakyRelu, [first], slope);
    const [sum] = graph.apply(add, [first, second], {});
    graph.output("last", graph.apply(add, [sum, x], {})[0]);
    return [...graph.outputs.values()];
  },
  "the sum is an output of the graph, with a buffer of its own": (graph, x) => {
    const [first] = graph.apply(add, [x, x], {});
    const [second] = graph.apply(leakyRelu, [x], slope);
    graph.output("sum", graph.apply(add, [first, second], {})[0]);
    return [...graph.outputs.values()];
  },
  "the producer reads the buffer that it would add to": (graph, x) => {
    const [a, b] = [graph.accumulator("a", tensor([N])), graph.accumulator("b", tensor([N]))];
    graph.pack("ab", [a, b]);
    const [y] = graph.apply(leakyRelu, [a], slope);
    const [z] = graph.apply(add, [y, x], {});
    graph.output("z", z);
    return [...graph.apply(accumulate, [b, graph.apply(leakyRelu, [a], slope)[0]], { scale: 1 }), z];
  },
};

for (const [why, build] of Object.entries(stays)) {
  Deno.test(`a sum stays when ${why}`, () => {
    const graph = new Graph();
    const x = graph.input("x", tensor([N]));
    const targets = build(graph, x);
    const plan = planOf(graph, targets);
    const sums = graph.nodes.filter((n) => n.op.sums).length;
    assert.equal(opsOf(plan).filter((op) => op === "add" || op === "accumulate").length, sums);
  });
}

Deno.test("a step between reads the accumulator: the sum stays after it", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const total = graph.accumulator("total", tensor([N]));
  const [y] = graph.apply(leakyRelu, [x], slope);
  const [before] = graph.apply(leakyRelu, [total], slope);
  const [sum] = graph.apply(accumulate, [total, y], { scale: 1 });
  graph.output("before", before);
  const plan = planOf(graph, [before, sum]);
  assert.deepEqual(opsOf(plan), ["leakyRelu", "leakyRelu", "accumulate"]);
});

Deno.test("gradients are summed as soon as they are there, not at the end of the phase", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([N]));
  const totals = [0, 1, 2].map((i) => graph.accumulator(`total${i}`, tensor([N])));
  const gradients = totals.map(() => graph.apply(add, [x, x], {})[0]);
  const sums = totals.map((t, i) => graph.apply(accumulate, [t, gradients[i]], { scale: 1 })[0]);
  const plan = planOf(graph, sums);
  assert.deepEqual(opsOf(plan), ["add", "accumulate", "add", "accumulate", "add", "accumulate"]);
  assert.equal(plan.report.transientBytes, 4 * N);
});

/** Many channels make one chunk of rows, summed straight onto the accumulators; few make several. */
const convolution = { kernel: [3, 3, 3], stride: [1, 1, 1], bias: true, inputs: 1 };
const norm = { eps: 1e-5, affine: true, residual: false, masked: false, slope: 1 };
/** x, statistics and dy of a norm's gradient. */
const normShapes = (x: number[]) => [x, [...x.slice(0, 2), 4], x];

/** Operations with parameter gradients or fan-out, and their inputs. */
const cases: readonly { op: OpDef<never>; attrs: unknown; inputs: readonly number[][] }[] = [
  { op: instanceNormGradient as OpDef<never>, attrs: norm, inputs: normShapes([2, 5, 3, 4, 6]) },
  { op: instanceNormGradient as OpDef<never>, attrs: norm, inputs: normShapes([2, 1, 24, 24, 24]) },
  {
    op: appendTokenChannelGradient as OpDef<never>,
    attrs: { first: 1 },
    inputs: [[3, 4, 3, 3, 3], [1, 2, 1, 1, 1], [3, 5, 3, 3, 3]],
  },
  { op: tokenGradient as OpDef<never>, attrs: {}, inputs: [[2, 3, 4, 4, 6], [2, 1, 4, 4, 6]] },
  {
    op: avgPool3dGradient as OpDef<never>,
    attrs: { stride: [2, 2, 1], size: [5, 4, 3] },
    inputs: [[1, 2, 2, 2, 3]],
  },
  { op: leakyRelu as OpDef<never>, attrs: slope, inputs: [[700]] },
  {
    op: conv3dWeightGradient as OpDef<never>,
    attrs: convolution,
    inputs: [[2, 5, 3, 4, 6], [2, 6, 3, 4, 6]],
  },
  {
    op: conv3dWeightGradient as OpDef<never>,
    attrs: convolution,
    inputs: [[1, 64, 4, 4, 4], [1, 60, 4, 4, 4]],
  },
];

for (const { op, attrs, inputs } of cases) {
  gpuTest(
    `${op.name} of ${inputs[0].join("x")} adds its results, times a scale, onto what is there`,
    async (gpu) => {
      const graph = new Graph();
      const feeds = new Map(inputs.map((shape, i) => {
        const data = noise(elementCount(shape), i);
        return [
          graph.input(`in${i}`, tensor(shape)),
          i === 1 ? data.map((v) => v > 0 ? 1 : 0) as typeof data : data,
        ];
      }));
      const outputs = graph.apply(op, [...feeds.keys()], attrs as never);
      const added = op.accumulates!.map((o) => outputs[o]);
      const totals = added.map((o, i) => graph.state(`total${i}`, tensor(o.spec.shape)));
      graph.pack("totals", totals);
      const sums = totals.map((t, i) => graph.apply(accumulate, [t, added[i]], { scale: -0.5 + i })[0]);
      const plan = compile(graph, { device: gpu.facts, phases: { run: sums } });
      verifyPlan(plan, gpu.facts);
      assert.ok(plan.phases.run.every((d) => d.op === op.name), "no kernel of its own for the sum");
      using executor = await Executor.create(gpu, plan, { poison: true });
      const starts = totals.map((t, i) => noise(elementCount(t.spec.shape), 50 + i));
      for (const [value, data] of feeds) executor.write(value.name, data);
      totals.forEach((t, i) => executor.parameters.write(t.name, starts[i]));
      executor.run("run");
      const known = new Map([...feeds].map(([v, data]) => [v, Float64Array.from(data)]));
      totals.forEach((t, i) => known.set(t, Float64Array.from(starts[i])));
      const wanted = interpret(graph, known, sums);
      for (const [i, t] of totals.entries()) {
        assertAllClose(await executor.read(t.name), wanted.get(sums[i])!, { atol: 1e-4, rtol: 1e-5 }, t.name);
      }
    },
  );
}
