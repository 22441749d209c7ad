/** A small plan with an input, a parameter, states, outputs and two phases, for tests of the runtime. */
import assert from "node:assert/strict";
import { DeviceError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { type Plan, tensor } from "../../kernels/spec.ts";

/** `y = lrelu(x + w)`, `total += y`, and the sum of squares of `w`; `unused` moves the numbers of the buffers. */
export function smallGraph(unused = 0): { graph: Graph; plan(gpu: Gpu): Plan } {
  const graph = new Graph();
  for (let i = 0; i < unused; i++) graph.input(`unused${i}`, tensor([4]));
  const x = graph.input("x", tensor([64]));
  const w = graph.parameter("w", tensor([64]), { kind: "zeros" });
  const total = graph.state("total", tensor([64]));
  graph.state("half", tensor([3], "f16"));
  graph.input("cells", tensor([4], "i32"));
  const [sum] = graph.apply(add, [x, w], {});
  const [y] = graph.apply(leakyRelu, [sum], { slope: 0.5 });
  const [updated] = graph.apply(accumulate, [total, y], { scale: 1 });
  const [squares] = graph.apply(sumSquares, [w], {});
  graph.output("y", y);
  graph.output("squares", squares);
  return {
    graph,
    plan: (gpu) => compile(graph, { device: gpu.facts, phases: { step: [y, updated], norm: [squares] } }),
  };
}

/** Checks message and reason of a DeviceError, for `assert.rejects`. */
export const deviceError = (message: RegExp | string, reason: string) => (error: unknown) => {
  assert.ok(error instanceof DeviceError, String(error));
  if (typeof message === "string") assert.equal(error.message, message);
  else assert.match(error.message, message);
  assert.equal(error.details.reason, reason);
  return true;
};
/** What `assert.throws` expects of a PlanError. */
export const planError = (message: string) => ({ name: "PlanError", message });
