import assert from "node:assert/strict";
import { PlanError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { compile } from "../../kernels/graph/plan.ts";
import { verifyPlan } from "../../kernels/graph/verify.ts";
import { accumulate } from "../../kernels/ops/accumulate/op.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { leakyRelu } from "../../kernels/ops/leaky_relu/op.ts";
import { sumSquares } from "../../kernels/ops/optimizer/clip.ts";
import { type Dispatch, type Plan, tensor } from "../../kernels/spec.ts";
import { fc } from "../deps.ts";
import { plainDevice } from "../support/device_facts.ts";
import { randomGraphs } from "../support/random_graph.ts";

/**
 * Seven dispatches: doubled = x + x (slot 3), a = lrelu(x) (slot 4), b = lrelu(doubled) (slot 5), a += b in place,
 * sum of squares of b into output buffer 2 through scratch in slot 3, and state (buffer 1) += a + b.
 */
function smallPlan(): Plan {
  const graph = new Graph();
  const x = graph.input("x", tensor([8]));
  const state = graph.state("state", tensor([8]));
  const [doubled] = graph.apply(add, [x, x], {});
  const [a] = graph.apply(leakyRelu, [x], { slope: 0.1 });
  const [b] = graph.apply(leakyRelu, [doubled], { slope: 0.1 });
  const [sum] = graph.apply(add, [a, b], {});
  const [summed] = graph.apply(accumulate, [state, sum], { scale: 1 });
  const [squares] = graph.apply(sumSquares, [b], {});
  graph.output("squares", squares);
  return compile(graph, { device: plainDevice, phases: { run: [summed, squares] } });
}

/** The small plan with one dispatch changed. */
function broken(number: number, change: (dispatch: Dispatch) => Partial<Dispatch>): Plan {
  const plan = smallPlan();
  return {
    ...plan,
    phases: { run: plan.phases.run.map((d, i) => i === number ? { ...d, ...change(d) } : d) },
  };
}

/** One binding of a dispatch moved. */
const rebind = (
  d: Dispatch,
  k: number,
  change: Partial<Dispatch["bindings"][number]>,
): Partial<Dispatch> => ({
  bindings: d.bindings.map((b, i) => i === k ? { ...b, ...change } : b),
});

const cases: Readonly<Record<string, readonly [plan: () => Plan, message: string]>> = {
  "a buffer that is read and written": [
    () => broken(6, (d) => rebind(d, 0, { buffer: 1 })),
    "phase run, dispatch 6 (accumulate 8 in place): buffer 1 (accumulate#4) is written and bound again",
  ],
  "a buffer that is written twice": [
    () => broken(2, (d) => ({ ...rebind(d, 0, { buffer: 5 }), access: ["read_write", "read_write"] })),
    "phase run, dispatch 2 (leakyRelu 8): buffer 5 (leakyRelu#2) is written and bound again",
  ],
  "a slot that holds something else": [
    () => broken(2, (d) => rebind(d, 0, { buffer: 4 })),
    "phase run, dispatch 2 (leakyRelu 8): reads add#0 from buffer 4, which holds leakyRelu#1",
  ],
  "a slot that was overwritten too early": [
    () => broken(1, (d) => rebind(d, 1, { buffer: 3 })),
    "phase run, dispatch 2 (leakyRelu 8): reads add#0 from buffer 3, which holds leakyRelu#1",
  ],
  "a slot that nothing was written to": [
    () => broken(0, (d) => rebind(d, 2, { buffer: 5 })),
    "phase run, dispatch 2 (leakyRelu 8): reads add#0 from buffer 3, which holds nothing",
  ],
  "contents replaced in place that are not there": [
    () => broken(3, (d) => ({ overwrites: [{ ...d.overwrites[0], input: "add#0" }] })),
    "phase run, dispatch 3 (add 8 in place): replaces add#0 in buffer 4, which holds leakyRelu#1",
  ],
  "a tensor that is looked for in another persistent buffer": [
    () => broken(4, (d) => rebind(d, 0, { buffer: 1 })),
    "phase run, dispatch 4 (sumSquares 8 partial): leakyRelu#2 is at byte 0 of buffer 1, but before at byte 0 of buffer 5",
  ],
  "an offset that is not aligned": [
    () => broken(0, (d) => rebind(d, 0, { offset: 4 })),
    "phase run, dispatch 0 (add 8): x starts at 4, wanted a multiple of 256",
  ],
  "a negative offset": [
    () => broken(0, (d) => rebind(d, 0, { offset: -256 })),
    "phase run, dispatch 0 (add 8): x starts at -256, wanted a multiple of 256",
  ],
  "a range beyond its buffer": [
    () => broken(0, (d) => rebind(d, 0, { offset: 256 })),
    "phase run, dispatch 0 (add 8): x ends beyond buffer 0",
  ],
  "a range of no whole number of words": [
    () => broken(0, (d) => rebind(d, 0, { size: 30 })),
    "phase run, dispatch 0 (add 8): x binds 30 bytes",
  ],
  "a buffer that does not exist": [
    () => broken(0, (d) => rebind(d, 0, { buffer: 9 })),
    "phase run, dispatch 0 (add 8): x is bound to buffer 9, which does not exist",
  ],
  "too many workgroups": [
    () => broken(0, () => ({ workgroups: [65536, 1, 1] })),
    "phase run, dispatch 0 (add 8): 65536 workgroups, wanted 1 to 65535",
  ],
  "no workgroups": [
    () => broken(0, () => ({ workgroups: [1, 0, 1] })),
    "phase run, dispatch 0 (add 8): 0 workgroups, wanted 1 to 65535",
  ],
  "an unknown source": [
    () => broken(0, () => ({ source: 99 })),
    "phase run, dispatch 0 (add 8): unknown source",
  ],
  "bindings without tenants": [
    () => broken(0, (d) => ({ tenants: d.tenants.slice(1) })),
    "phase run, dispatch 0 (add 8): bindings, accesses and tenants differ in number",
  ],
  "more bindings than the device allows": [
    () =>
      broken(0, (d) => ({
        bindings: new Array(11).fill(d.bindings[0]),
        access: new Array(11).fill("read"),
        tenants: new Array(11).fill("x"),
      })),
    "phase run, dispatch 0 (add 8): too many bindings",
  ],
  "a buffer above the device's limit": [
    () => {
      const plan = smallPlan();
      return { ...plan, buffers: plan.buffers.map((b, i) => i === 1 ? { ...b, size: 2 ** 29 } : b) };
    },
    "buffer 1 (state) has 536870912 bytes, wanted a multiple of 4 up to 268435456",
  ],
  "a named tensor outside its buffer": [
    () => {
      const plan = smallPlan();
      return { ...plan, named: { ...plan.named, squares: { ...plan.named.squares, size: 8 } } };
    },
    "squares does not lie inside buffer 2",
  ],
  "a named tensor in a slot": [
    () => {
      const plan = smallPlan();
      return { ...plan, named: { ...plan.named, squares: { ...plan.named.squares, buffer: 3 } } };
    },
    "squares must persist but lies in a slot",
  ],
};

Deno.test("verifyPlan() accepts the plan that the broken ones are made from", () =>
  verifyPlan(smallPlan(), plainDevice));

for (const [what, [plan, message]] of Object.entries(cases)) {
  Deno.test(`verifyPlan() refuses ${what}`, () => {
    assert.throws(() => verifyPlan(plan(), plainDevice), {
      name: "PlanError",
      message: `Plan is invalid: ${message}`,
    });
  });
}

Deno.test("verifyPlan() refuses a binding above the device's limit", () => {
  const device = { ...plainDevice, maxBinding: 16 };
  assert.throws(() => verifyPlan(smallPlan(), device), {
    message: "Plan is invalid: phase run, dispatch 0 (add 8): x needs 32 bytes in one binding",
  });
});

Deno.test("verifyPlan() refuses every random plan in which one read looks into another slot", () => {
  let moved = 0;
  fc.assert(
    fc.property(randomGraphs, fc.nat(1000), fc.nat(1000), ({ graph, phases }, pick, slot) => {
      const plan = compile(graph, { device: plainDevice, phases });
      const slots = plan.buffers.flatMap((b, i) => b.role === "slot" ? [i] : []);
      const reads = Object.entries(plan.phases).flatMap(([phase, dispatches]) =>
        dispatches.flatMap((d, number) =>
          d.bindings.flatMap((b, k) =>
            d.access[k] === "read" && slots.includes(b.buffer) ? [{ phase, number, k }] : []
          )
        )
      );
      if (reads.length === 0 || slots.length < 2) return;
      const { phase, number, k } = reads[pick % reads.length];
      const from = plan.phases[phase][number].bindings[k].buffer;
      const others = slots.filter((s) => s !== from);
      const buffer = others[slot % others.length];
      const dispatches = plan.phases[phase].map((d, i) =>
        i === number ? { ...d, ...rebind(d, k, { buffer, size: 4 }) } : d
      );
      moved++;
      assert.throws(
        () => verifyPlan({ ...plan, phases: { ...plan.phases, [phase]: dispatches } }, plainDevice),
        PlanError,
      );
    }),
    { seed: 6, numRuns: 200 },
  );
  assert.ok(moved > 100, `only ${moved} plans had a read to move`);
});
