/** Changes a phase's steps without changing what it computes: sums move into their producers, freeing steps move up. */
import { byteLength } from "../spec.ts";
import type { Graph, Value } from "./graph.ts";
import { lastReaders, madeBy, type Persistence, persistence, readBy, type Step, updatedBy } from "./steps.ts";

/**
 * Steps of a phase without sums of zeros, with every sum that a producer can take over folded into it, and freeing steps as
 * early as possible.
 */
export function arrange(graph: Graph, steps: readonly Step[]): readonly Step[] {
  return hoistFreeing(graph, foldSums(graph, dropZeros(graph, steps)));
}

/** Leaves out updates `target += scale * zeros` whose result nobody in the phase reads, and zeros that nobody reads then. */
function dropZeros(graph: Graph, steps: readonly Step[]): readonly Step[] {
  const exposed = new Set(graph.outputs.values());
  const last = lastReaders(steps);
  const zeros = new Set(steps.filter(({ node }) => node.op.isZero?.(node.attrs)).map((s) => s.outputs[0]));
  const kept = steps.filter(({ node, inputs, outputs: [total] }) => {
    const forms = node.op.sums?.(node.attrs) ?? [];
    const updated = node.op.updates?.find(([, o]) => o === 0)?.[0];
    const nothing = forms.some((form) => form.onto === updated && zeros.has(inputs[form.value]));
    return !nothing || last.has(total) || exposed.has(total);
  });
  const read = lastReaders(kept);
  const idle = (made: Value) => zeros.has(made) && last.has(made) && !read.has(made) && !exposed.has(made);
  return kept.filter(({ outputs: [made] }) => !idle(made));
}

/**
 * `sum = onto + scale * value` needs no step of its own when the producer of `value` can add onto `onto`: nobody else may
 * need `value`, and nobody may need `onto` from the producer on. The order in which terms are added stays that of the graph.
 */
function foldSums(graph: Graph, steps: readonly Step[]): readonly Step[] {
  const persistent = persistence(graph);
  const exposed = new Set(graph.outputs.values());
  const folded: (Step | null)[] = [...steps];
  const makers = new Map(steps.flatMap((step, i) => madeBy(step).map((v) => [v, i] as const)));
  const readers = new Map<Value, Set<number>>();
  const read = (value: Value, at: number) => readers.set(value, (readers.get(value) ?? new Set()).add(at));
  steps.forEach((step, i) => readBy(step).forEach((value) => read(value, i)));
  steps.forEach(({ node, inputs, outputs: [total] }, at) => {
    for (const form of node.op.sums?.(node.attrs) ?? []) {
      const [onto, value] = [inputs[form.onto], inputs[form.value]];
      const from = makers.get(value);
      if (from === undefined || onto === value || onto.spec.dtype !== value.spec.dtype) continue;
      const producer = folded[from]!;
      const output = producer.outputs.indexOf(value);
      const free = producer.node.op.accumulates?.includes(output) && !persistent.tensor(value) &&
        !exposed.has(value) && producer.accumulate.every((a) => a.output !== output);
      const updates = (node.op.updates ?? []).some(([i, o]) => i === form.onto && o === 0);
      if (!free || updates !== (onto.role !== "node") || readers.get(value)!.size > 1) continue;
      if (onto.role === "node") {
        if (persistent.tensor(onto) || exposed.has(onto) || exposed.has(total)) continue;
        if (makers.get(onto)! >= from || readers.get(onto)!.values().some((i) => i >= from && i !== at)) {
          continue;
        }
      } else {
        // a dispatch cannot read and write one buffer; a step between would see the sum where the graph says the old contents
        if (producer.inputs.some((v) => persistent.buffer(v) === persistent.buffer(onto))) continue;
        const between = folded.slice(from + 1, at).filter((step) => step !== null);
        if (between.some((step) => readBy(step).some((v) => persistent.overlap(v, onto)))) continue;
      }
      folded[from] = {
        ...producer,
        outputs: producer.outputs.map((v) => v === value ? total : v),
        accumulate: [...producer.accumulate, { output, scale: form.scale, onto }],
      };
      folded[at] = null;
      makers.set(total, from);
      readers.get(onto)!.delete(at);
      read(onto, from);
      break;
    }
  });
  return folded.filter((step) => step !== null);
}

/** Moves steps that free more than they allocate before those that do not, for as long as it holds. */
function hoistFreeing(graph: Graph, steps: readonly Step[]): readonly Step[] {
  const persistent = persistence(graph);
  const bytes = (values: readonly Value[]) => values.reduce((sum, v) => sum + byteLength(v.spec), 0);
  const order = steps.map((step) => {
    const onto = step.accumulate.map((a) => a.onto);
    const sums = step.accumulate.map((a) => step.outputs[a.output]);
    const reads = [...new Set(readBy(step))];
    const made = madeBy(step);
    return {
      step,
      made,
      reads,
      /** What it can free, when nobody needs it later. */
      held: reads.filter((v) => !persistent.tensor(v) && !onto.includes(v)),
      allocated: bytes(made.filter((v) => !persistent.tensor(v) && !sums.includes(v))),
      changed: [...updatedBy(step), ...onto],
    };
  });
  const last = new Map(lastReaders(steps));
  for (let at = 0; at < order.length; at++) {
    const moved = order[at];
    let dying = moved.held.filter((v) => last.get(v) === at);
    let to = at;
    for (; to > 0 && bytes(dying) > moved.allocated; to--) {
      const passed = order[to - 1];
      if (passed.made.some((v) => moved.reads.includes(v))) break;
      if (conflicts(persistent, moved, passed) || conflicts(persistent, passed, moved)) break;
      const left = dying.filter((v) => !passed.reads.includes(v));
      const shared = left.length < dying.length;
      if (shared && bytes(passed.held.filter((v) => last.get(v) === to - 1)) > passed.allocated) break;
      if (bytes(left) <= moved.allocated) break;
      dying = left;
    }
    if (to === at) continue;
    order.splice(to, 0, ...order.splice(at, 1));
    for (let i = to; i <= at; i++) {
      for (const v of order[i].reads) if (last.get(v)! <= at) last.set(v, i);
    }
  }
  return order.map(({ step }) => step);
}

/** Whether a step changes contents that the other one needs or changes. */
function conflicts(
  persistent: Persistence,
  { changed }: { readonly changed: readonly Value[] },
  other: { readonly reads: readonly Value[]; readonly changed: readonly Value[] },
): boolean {
  const touched = [...other.reads, ...other.changed];
  return changed.some((c) => touched.some((t) => t === c || persistent.overlap(t, c)));
}
