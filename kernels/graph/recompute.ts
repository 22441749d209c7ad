/** Trades arithmetic for memory: cheap outputs are dropped between two uses and computed again before the second one. */
import { byteLength } from "../spec.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { madeBy, persistence, readBy, type Step, updatedBy } from "./steps.ts";
import { assignStorage } from "./storage.ts";

/** Options of {@link recompute}. */
export interface RecomputeOptions {
  /** Stop once no step needs more bytes of transient memory. */
  readonly target: number;
  /** Bytes of scratch memory that the kernels of each node need. */
  readonly scratch: ReadonlyMap<Node, number>;
}

/**
 * Remakes values until the phase fits `target`, or until nothing lowers its peak any more.
 *
 * At the step that needs most, the largest value that is only waiting there is dropped and made again right before its next
 * use, together with what that takes and is no longer there; what does not lower the peak is not done. Every value
 * keeps its operation, its inputs and its kernels, so results stay the same to the bit.
 *
 * @returns the steps with the remaking ones among them
 */
export function recompute(
  graph: Graph,
  steps: readonly Step[],
  options: RecomputeOptions,
): readonly Step[] {
  let current = { steps, ...peakOf(graph, steps, options) };
  while (current.bytes > options.target) {
    const better = waitingAt(graph, current.steps, current.at)
      .values()
      .map(({ value, next }) => remakeBefore(graph, current.steps, value, next))
      .filter((trial) => trial !== null)
      .map((trial) => ({ steps: trial, ...peakOf(graph, trial, options) }))
      .find((trial) =>
        trial.bytes < current.bytes || (trial.bytes === current.bytes && trial.times < current.times)
      );
    if (!better) break;
    current = better;
  }
  return current.steps;
}

/** Most transient bytes that a step needs, the first step that does, and how many do. */
function peakOf(
  graph: Graph,
  steps: readonly Step[],
  { scratch }: RecomputeOptions,
): { bytes: number; at: number; times: number } {
  const change = new Float64Array(steps.length + 1);
  for (const { bytes, first, last } of assignStorage(graph, steps).tenants) {
    change[first] += bytes;
    change[last + 1] -= bytes;
  }
  let alive = 0;
  const peak = { bytes: -1, at: 0, times: 0 };
  steps.forEach((step, at) => {
    alive += change[at];
    const bytes = alive + (scratch.get(step.node) ?? 0);
    if (bytes > peak.bytes) Object.assign(peak, { bytes, at, times: 1 });
    else if (bytes === peak.bytes) peak.times++;
  });
  return peak;
}

/** Values that cost little to make again and are alive at a step without taking part in it, largest first. */
function waitingAt(graph: Graph, steps: readonly Step[], at: number): { value: Value; next: number }[] {
  const exposed = new Set(graph.outputs.values());
  const present = new Set([...readBy(steps[at]), ...steps[at].outputs]);
  const known = new Map<Value, number>();
  steps.slice(0, at).forEach((step, i) => {
    if (step.accumulate.length > 0) return;
    step.node.op.recompute?.forEach((o) => {
      const value = step.outputs[o];
      if (madeBy(step).includes(value) && !exposed.has(value) && !present.has(value)) known.set(value, i);
    });
  });
  const waiting = new Map<Value, number>();
  for (let i = steps.length - 1; i > at; i--) {
    for (const value of readBy(steps[i])) if (known.has(value)) waiting.set(value, i);
  }
  return [...waiting].map(([value, next]) => ({ value, next }))
    .sort((a, b) => byteLength(b.value.spec) - byteLength(a.value.spec) || b.next - a.next);
}

/**
 * The steps with `value` made again right before step `next`, which and all later ones then use the new one.
 * @returns null when something that this takes is gone and cannot be made again
 */
function remakeBefore(graph: Graph, steps: readonly Step[], value: Value, next: number): Step[] | null {
  const { overlap, tensor } = persistence(graph);
  const exposed = new Set(graph.outputs.values());
  const needed = new Set(steps.slice(next).flatMap(readBy));
  const added: Step[] = [];
  const made = new Map<Value, Value>();
  const numbers = new Map<Value, number>();
  for (const { of } of steps.flatMap((step) => step.remakes)) numbers.set(of, (numbers.get(of) ?? 0) + 1);

  const obtain = (wanted: Value): Value | null => {
    if (made.has(wanted)) return made.get(wanted)!;
    if (wanted.role !== "node" || exposed.has(wanted) || tensor(wanted)) {
      const updated = steps.slice(0, next).flatMap(updatedBy).some((u) => overlap(u, wanted));
      return updated ? null : wanted;
    }
    return needed.has(wanted) ? wanted : remake(wanted) ?? keep(wanted);
  };
  /** A value that cannot be made again may live on, unless somebody adds onto it. */
  const keep = (wanted: Value): Value | null =>
    steps.some((step) => step.accumulate.some((a) => a.onto === wanted)) ? null : wanted;
  const remake = (wanted: Value): Value | null => {
    const maker = steps.find((step) => madeBy(step).includes(wanted))!;
    const which = maker.node.op.recompute ?? [];
    if (!which.includes(maker.outputs.indexOf(wanted)) || maker.accumulate.length > 0) return null;
    const [known, steady] = [new Set(made.keys()), added.length];
    const inputs = maker.inputs.map(obtain);
    const outputs = maker.outputs.map((output, o) => {
      if (!which.includes(o)) return obtain(output);
      const of = maker.remakes.find((r) => r.made === output)?.of ?? output;
      const number = (numbers.get(of) ?? 0) + 1;
      numbers.set(of, number);
      const again: Value = { ...of, name: `${of.name}.again${number}` };
      made.set(output, again);
      return again;
    });
    if ([...inputs, ...outputs].includes(null)) {
      added.length = steady;
      for (const value of [...made.keys()]) if (!known.has(value)) made.delete(value);
      return null;
    }
    added.push({
      node: maker.node,
      inputs: inputs as Value[],
      outputs: outputs as Value[],
      accumulate: [],
      remakes: which.map((o) => ({
        made: outputs[o]!,
        of: maker.remakes.find((r) => r.made === maker.outputs[o])?.of ?? maker.outputs[o],
      })),
    });
    return made.get(wanted)!;
  };
  if (!remake(value)) return null;
  const renewed = (v: Value) => made.get(v) ?? v;
  const later = steps.slice(next).map((step) => ({
    ...step,
    inputs: step.inputs.map(renewed),
    accumulate: step.accumulate.map((a) => ({ ...a, onto: renewed(a.onto) })),
  }));
  return [...steps.slice(0, next), ...added, ...later];
}
