import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import {
  formatFlop,
  mermaidPhase,
  planByOperation,
  printPhase,
  summarizePlan,
} from "../../kernels/graph/print.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { formatBytes } from "../../kernels/errors.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { type Plan, tensor } from "../../kernels/spec.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { plainDevice } from "../support/device_facts.ts";
import { repositoryRoot } from "../support/spawn.ts";

/** `s = |lrelu(x) + x|^2`, the sum in place of the activation. */
function smallPlan(): Plan {
  const graph = new Graph();
  const x = graph.input("x", tensor([1000]));
  const [a] = graph.within("stem", () => graph.apply(leakyRelu, [x], { slope: 0.1 }));
  const [b] = graph.apply(add, [a, x], {});
  const [s] = graph.apply(sumSquares, [b], {});
  graph.output("s", s);
  return compile(graph, { device: plainDevice, phases: { run: [s] } });
}

Deno.test("printPhase() shows every dispatch with node, kernel, buffers, workgroups and arithmetic", () => {
  assert.deepEqual(printPhase(smallPlan(), "run").split("\n"), [
    "   0 stem/leakyRelu | leakyRelu 1000 | [0 >2] | 1x1x1 | 1.00 kFLOP",
    "   1 add | add 1000 in place | [0 >2] | 1x1x1 | 1.00 kFLOP",
    "   2 sumSquares | sumSquares 1000 partial | [2 >3] | 1x1x1 | 2.00 kFLOP",
    "   3 sumSquares | sumSquares 1000 finish | [3 >1] | 1x1x1 | 0 FLOP",
  ]);
});

Deno.test("mermaidPhase() draws an arrow from the last writer to every reader, in-place ones included", () => {
  assert.deepEqual(mermaidPhase(smallPlan(), "run").split("\n"), [
    "flowchart TD",
    '  d0["leakyRelu 1000"]',
    '  d1["add 1000 in place"]',
    "  d0 --> d1",
    '  d2["sumSquares 1000 partial"]',
    "  d1 --> d2",
    '  d3["sumSquares 1000 finish"]',
    "  d2 --> d3",
  ]);
});

Deno.test("planByOperation() sums dispatches, arithmetic and ideal traffic by operation", () => {
  assert.deepEqual(planByOperation(smallPlan(), "run"), [
    { op: "sumSquares", dispatches: 2, flop: 2000, bytes: 4004 },
    { op: "add", dispatches: 1, flop: 1000, bytes: 12000 },
    { op: "leakyRelu", dispatches: 1, flop: 1000, bytes: 8000 },
  ]);
});

Deno.test("printing names a phase that the plan does not have", () => {
  for (const print of [printPhase, mermaidPhase, planByOperation]) {
    assert.throws(() => print(smallPlan(), "walk"), {
      name: "PlanError",
      message: "Cannot print phase walk: the plan has run",
    });
  }
});

Deno.test("summarizePlan() says what a plan computes and needs", () => {
  assert.deepEqual(summarizePlan(smallPlan()).split("\n"), [
    "run: 4 dispatches, 4.00 kFLOP, ideal traffic 23.4 KiB",
    "memory: 7.82 KiB = 3.91 KiB persistent + 3.91 KiB in 2 slots (bound 3.91 KiB, sum of values 3.91 KiB); 4 pipelines",
  ]);
});

Deno.test("formatFlop() and formatBytes() keep three digits and choose the unit", () => {
  assert.deepEqual([0, 999, 1000, 4.1e12, 2.5e16, 1e19].map(formatFlop), [
    "0 FLOP",
    "999 FLOP",
    "1.00 kFLOP",
    "4.10 TFLOP",
    "25.00 PFLOP",
    "10000.00 PFLOP",
  ]);
  assert.deepEqual([0, 1023, 1024, 10 * 1024, 3.87 * 2 ** 30, 2 ** 50].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.00 KiB",
    "10.0 KiB",
    "3.87 GiB",
    "1024.0 TiB",
  ]);
});

/** Plan of a whole pre-training step of the smallest network preset. */
function tinyPlan(): Plan {
  const config = resolveRunConfig({
    preset: "paper",
    flags: { network: { preset: "tiny" }, patch: [16, 16, 16], mask: { block: 4 } },
  });
  const { graph, phases } = buildPretrainGraph(config);
  return compile(graph, { device: plainDevice, phases });
}

Deno.test("the plan of a tiny pre-training step is what tests/kernels/tiny_plan.txt shows", async () => {
  const plan = tinyPlan();
  verifyPlan(plan, plainDevice);
  const text = [
    summarizePlan(plan),
    ...Object.keys(plan.phases).map((phase) =>
      [
        "",
        `${phase}: operation, dispatches, arithmetic, ideal traffic`,
        ...planByOperation(plan, phase).map(({ op, dispatches, flop, bytes }) =>
          `${op.padEnd(30)} ${String(dispatches).padStart(4)}  ${formatFlop(flop).padStart(14)}  ${
            formatBytes(bytes).padStart(10)
          }`
        ),
      ].join("\n")
    ),
  ].join("\n") + "\n";
  const file = `${repositoryRoot}/tests/kernels/tiny_plan.txt`;
  if (Deno.env.get("UPDATE_SNAPSHOTS") === "1") return await Deno.writeTextFile(file, text);
  const wanted = await Deno.readTextFile(file);
  assert.equal(text, wanted, "If that is meant: UPDATE_SNAPSHOTS=1 deno test -A tests/kernels/print_test.ts");
});

Deno.test("slots of a whole ResEnc-L step stay close to what is alive at once", () => {
  for (const [recompute, most] of [["off", 1.01], ["all", 1.05]] as const) {
    const config = resolveRunConfig({ preset: "paper", flags: { patch: [96, 96, 96], batch: { size: 1 } } });
    const { graph, phases } = buildPretrainGraph(config);
    const { report } = compile(graph, { device: plainDevice, phases, recompute });
    const share = report.transientBytes / report.transientLowerBoundBytes;
    assert.ok(share < most, `${report.transientBytes} bytes, bound ${report.transientLowerBoundBytes}`);
    assert.ok(report.transientBytes < report.transientSumBytes / 2);
  }
});
