/** The order of execution of a phase: one step a node, before anything is lowered. */
import type { Accumulation } from "../spec.ts";
import type { Graph, Node, Value } from "./graph.ts";

/** One application of an operation in a phase. Inputs and outputs correspond to the node's, value by value. */
export interface Step {
  readonly node: Node;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Outputs added onto the value `onto`, whose storage they take over. */
  readonly accumulate: readonly (Accumulation & { readonly onto: Value })[];
  /** Outputs made once more, with the value that was made first; empty when the node runs for the first time. */
  readonly remakes: readonly { readonly made: Value; readonly of: Value }[];
}

/** Nodes that `targets` depend on, in execution order. Persistent values are leaves. */
export function neededNodes(graph: Graph, targets: readonly Value[]): readonly Node[] {
  const needed = new Set<Node>();
  const pending = targets.map((v) => v.producer).filter((n): n is Node => n !== null);
  while (pending.length > 0) {
    const node = pending.pop()!;
    if (needed.has(node)) continue;
    needed.add(node);
    for (const input of node.inputs) if (input.producer) pending.push(input.producer);
  }
  return graph.nodes.filter((n) => needed.has(n));
}

/** The nodes of a phase as steps, in order of creation. */
export function stepsOf(graph: Graph, targets: readonly Value[]): readonly Step[] {
  return neededNodes(graph, targets).map((node) => ({
    node,
    inputs: node.inputs,
    outputs: node.outputs,
    accumulate: [],
    remakes: [],
  }));
}

/** Outputs that a step makes: all of them the first time, the remade ones later. */
export function madeBy({ outputs, remakes }: Step): readonly Value[] {
  return remakes.length === 0 ? outputs : remakes.map((r) => r.made);
}

/** Everything whose contents a step needs: inputs, what it adds onto, and outputs that it does not make again. */
export function readBy(step: Step): readonly Value[] {
  const made = new Set(madeBy(step));
  return [
    ...step.inputs,
    ...step.accumulate.map((a) => a.onto),
    ...step.outputs.filter((v) => !made.has(v)),
  ];
}

/** Number of the last step that needs each value. */
export function lastReaders(steps: readonly Step[]): ReadonlyMap<Value, number> {
  const last = new Map<Value, number>();
  steps.forEach((step, i) => readBy(step).forEach((value) => last.set(value, i)));
  return last;
}

/** Where persistent contents live. */
export interface Persistence {
  /** The persistent tensor that holds a value, followed through updates; null for transients. */
  tensor(value: Value): Value | null;
  /** The buffer that holds a value: its segment or the tensor itself; null for transients. */
  buffer(value: Value): Value | null;
  /** Whether two values share persistent bytes. */
  overlap(a: Value, b: Value): boolean;
}

/** Follows updates and segments of a graph. */
export function persistence(graph: Graph): Persistence {
  const segment = new Map(graph.segments.flatMap((s) => s.members.map((m) => [m.value, s.value])));
  const tensor = (value: Value): Value | null => {
    if (value.role !== "node") return value;
    const update = value.producer?.op.updates?.find(([, o]) => value.producer!.outputs[o] === value);
    return update ? tensor(value.producer!.inputs[update[0]]) : null;
  };
  const buffer = (value: Value) => {
    const held = tensor(value);
    return held && (segment.get(held) ?? held);
  };
  const overlap = (a: Value, b: Value) => {
    const [x, y] = [tensor(a), tensor(b)];
    return x !== null && y !== null && (x === y || segment.get(x) === y || segment.get(y) === x);
  };
  return { tensor, buffer, overlap };
}

/** Persistent values that a step replaces or adds onto. */
export function updatedBy({ node, inputs, accumulate }: Step): readonly Value[] {
  return [
    ...(node.op.updates ?? []).map(([i]) => inputs[i]),
    ...accumulate.map((a) => a.onto).filter((v) => v.role !== "node"),
  ];
}
