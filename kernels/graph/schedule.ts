/** Changes a phase's steps without changing what it computes: sums move into their producers, freeing steps move up. */
import { byteLength } from "../spec.ts";
import type { Graph, Value } from "./graph.ts";
import { lastReaders, madeBy, type Persistence, persistence, readBy, type Step, updatedBy } from "./steps.ts";

/** Steps of a phase with every sum that a producer can take over folded into it, and freeing steps as early as possible. */
export function arrange(graph: Graph, steps: readonly Step[]): readonly Step[] {
  return hoistFreeing(graph, foldSums(graph, steps));
}

/**
 * `sum = onto + scale * value` needs no step of its own when the producer of `value` can add onto `onto`: nobody else may
 * need `value`, and nobody may need `onto` from the producer on. The order in which terms are added stays that of the graph.
 */
function foldSums(graph: Graph, steps: readonly Step[]): readonly Step[] {
  const persistent = persistence(graph);
  const exposed = new Set(graph.outputs.values());
  const folded = [...steps];
  const needs = (from: number, to: number, test: (value: Value) => boolean) =>
    folded.slice(from, to).some((step) => readBy(step).some(test));
  for (let at = 0; at < folded.length; at++) {
    const { node, inputs, outputs: [total] } = folded[at];
    for (const form of node.op.sums?.(node.attrs) ?? []) {
      const [onto, value] = [inputs[form.onto], inputs[form.value]];
      const from = folded.findIndex((step) => madeBy(step).includes(value));
      if (from < 0 || onto === value || onto.spec.dtype !== value.spec.dtype || exposed.has(value)) continue;
      const producer = folded[from];
      const output = producer.outputs.indexOf(value);
      const free = producer.node.op.accumulates?.includes(output) && !persistent.tensor(value) &&
        producer.accumulate.every((a) => a.output !== output);
      const updates = (node.op.updates ?? []).some(([i, o]) => i === form.onto && o === 0);
      if (!free || updates !== (onto.role !== "node")) continue;
      if (needs(0, at, (v) => v === value) || needs(at + 1, folded.length, (v) => v === value)) continue;
      if (onto.role === "node") {
        const maker = folded.findIndex((step) => madeBy(step).includes(onto));
        if (maker >= from || persistent.tensor(onto) || exposed.has(onto) || exposed.has(total)) continue;
        if (needs(from, at, (v) => v === onto) || needs(at + 1, folded.length, (v) => v === onto)) continue;
      } else {
        // a dispatch cannot read and write one buffer; a step between would see the sum where the graph says the old contents
        if (readBy(producer).some((v) => persistent.buffer(v) === persistent.buffer(onto))) continue;
        if (needs(from + 1, at, (v) => persistent.overlap(v, onto))) continue;
      }
      folded[from] = {
        ...producer,
        outputs: producer.outputs.map((v) => v === value ? total : v),
        accumulate: [...producer.accumulate, { output, scale: form.scale, onto }],
      };
      folded.splice(at--, 1);
      break;
    }
  }
  return folded;
}

/** Moves steps that free more than they allocate before those that do not, for as long as it holds. */
function hoistFreeing(graph: Graph, steps: readonly Step[]): readonly Step[] {
  const persistent = persistence(graph);
  const order = [...steps];
  const last = new Map(lastReaders(order));
  const bytes = (values: Iterable<Value>) => [...values].reduce((sum, v) => sum + byteLength(v.spec), 0);
  const allocated = (step: Step) => {
    const sums = new Set(step.accumulate.map((a) => step.outputs[a.output]));
    return bytes(madeBy(step).filter((v) => !persistent.tensor(v) && !sums.has(v)));
  };
  const dyingAt = (step: Step, at: number) => {
    const onto = new Set(step.accumulate.map((a) => a.onto));
    return new Set(readBy(step).filter((v) => !persistent.tensor(v) && last.get(v) === at && !onto.has(v)));
  };
  for (let at = 0; at < order.length; at++) {
    const step = order[at];
    const reads = new Set(readBy(step));
    const dying = dyingAt(step, at);
    let to = at;
    for (; to > 0; to--) {
      const passed = order[to - 1];
      if (madeBy(passed).some((v) => reads.has(v)) || conflicts(persistent, step, passed)) break;
      const frees = bytes(dyingAt(passed, to - 1)) > allocated(passed);
      if (frees && readBy(passed).some((v) => dying.has(v))) break;
      for (const v of readBy(passed)) dying.delete(v);
      if (bytes(dying) <= allocated(step)) break;
    }
    if (to === at) continue;
    order.splice(to, 0, ...order.splice(at, 1));
    for (let i = to; i <= at; i++) {
      for (const v of readBy(order[i])) if (last.get(v)! <= at) last.set(v, i);
    }
  }
  return order;
}

/** Whether `step`, moved before `passed`, would change contents that `passed` needs, or the other way round. */
function conflicts(persistent: Persistence, step: Step, passed: Step): boolean {
  const changed = [...updatedBy(step), ...step.accumulate.map((a) => a.onto)];
  const touched = [...readBy(passed), ...updatedBy(passed)];
  if (changed.some((c) => touched.some((t) => t === c || persistent.overlap(t, c)))) return true;
  return updatedBy(passed).some((u) => readBy(step).some((r) => persistent.overlap(u, r)));
}
