import assert from "node:assert/strict";
import type { Plan } from "../../kernels/spec.ts";
import { compileRun } from "../../train/compile_run.ts";
import { type MemoryPlan, memoryPlan } from "../../train/memory_plan.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { plainDevice } from "../support/device_facts.ts";
import { tinyConfig } from "./tiny_run.ts";

function tinyPlan(): Plan {
  const config = tinyConfig();
  return compileRun(buildPretrainGraph(config), config, plainDevice);
}

/** Asserts that slots have room for their tenants, one at a time. */
function assertPossible({ slots, phases }: MemoryPlan): void {
  const lengths = new Map(phases.map(({ name, dispatches }) => [name, dispatches]));
  for (const { bytes, tenants } of slots) {
    tenants.forEach(({ name, phase, first, last, bytes: size }, i) => {
      assert.ok(size > 0 && size <= bytes, `${name} has ${size} of ${bytes} bytes`);
      assert.ok(first <= last && last < lengths.get(phase)!, `${name} lives ${first} to ${last} in ${phase}`);
      const before = tenants[i - 1];
      if (before?.phase === phase) {
        assert.ok(before.last < first, `${name} at ${first} meets ${before.name} in its slot`);
      }
    });
  }
}

Deno.test("memoryPlan() accounts for every byte and every tenant of a slot", () => {
  const plan = tinyPlan();
  const memory = memoryPlan(plan);
  const sum = (parts: readonly { readonly bytes: number }[]) => parts.reduce((all, p) => all + p.bytes, 0);
  assert.equal(sum(memory.segments) + sum(memory.slots), plan.report.peakBytes);
  assert.equal(sum(memory.segments), plan.report.persistentBytes);
  assert.deepEqual(memory.segments.map(({ name }) => name), [
    "weights",
    "gradients",
    "states",
    "inputs",
    "outputs",
  ]);
  assert.equal(memory.slots.length, plan.report.slots);
  assert.ok(memory.slots.every(({ bytes }, i) => i === 0 || bytes <= memory.slots[i - 1].bytes));
  for (const { name, dispatches, flop } of memory.phases) {
    assert.deepEqual(
      { dispatches, flop, bytes: plan.report.phases[name].bytes },
      plan.report.phases[name],
    );
  }
  assertPossible(memory);
  const tensors = Object.values(plan.phases).map((dispatches) =>
    new Set(
      dispatches.flatMap(({ tenants, bindings }) =>
        tenants.filter((_, i) => plan.buffers[bindings[i].buffer].role === "slot")
      ),
    ).size
  );
  const tenants = memory.slots.flatMap((slot) => slot.tenants);
  assert.equal(tenants.length, tensors.reduce((a, b) => a + b), "every transient tensor has a place");
  assert.ok(tenants.some(({ name }) => name.startsWith("encoder.stages.1")));
});

Deno.test("memoryPlan() tells neighbours of one part of the network as one when there are too many", () => {
  const plan = tinyPlan();
  const [all, fewer] = [memoryPlan(plan), memoryPlan(plan, 20)];
  const count = ({ slots }: MemoryPlan) => slots.reduce((sum, { tenants }) => sum + tenants.length, 0);
  assert.ok(count(fewer) < count(all), `${count(fewer)} of ${count(all)} are left`);
  assertPossible(fewer);
  const span = ({ slots }: MemoryPlan) =>
    slots.map(({ tenants }) => [tenants[0].first, tenants.at(-1)!.last]);
  assert.deepEqual(span(fewer), span(all));
  const names = new Set(fewer.slots.flatMap(({ tenants }) => tenants.map(({ name }) => name)));
  assert.ok(names.has("encoder stage 1") && names.has("decoder 0"), [...names].join(", "));
});
