/** Runs a graph on the CPU in float64 with every operation's reference: the oracle of kernels, planner and networks. */
import { PlanError } from "../errors.ts";
import type { Graph, Value } from "./graph.ts";

/**
 * Evaluates the values that `targets` depend on.
 *
 * @param feeds contents of inputs, parameters and states, C order
 * @returns contents of every target
 * @throws {PlanError} when a needed input was not fed
 */
export function interpret(
  graph: Graph,
  feeds: ReadonlyMap<Value, Float64Array>,
  targets: readonly Value[],
): Map<Value, Float64Array> {
  const known = new Map<Value, Float64Array>(feeds);
  const needed = new Set<Value>(targets);
  for (const node of graph.nodes.slice().reverse()) {
    if (node.outputs.some((v) => needed.has(v))) { for (const input of node.inputs) needed.add(input); }
  }
  for (const node of graph.nodes) {
    if (!node.outputs.some((v) => needed.has(v))) continue;
    const inputs = node.inputs.map((v) => {
      const data = known.get(v);
      if (!data) throw new PlanError(`Cannot interpret ${node.op.name}: ${v.name} has no contents; feed it`);
      return data;
    });
    const outputs = node.op.reference({
      inputs,
      inputSpecs: node.inputs.map((v) => v.spec),
      outputSpecs: node.outputs.map((v) => v.spec),
      attrs: node.attrs,
    });
    node.outputs.forEach((v, i) => known.set(v, outputs[i]));
  }
  return new Map(targets.map((v) => {
    const data = known.get(v);
    if (!data) throw new PlanError(`Cannot interpret the graph: target ${v.name} has no contents; feed it`);
    return [v, data];
  }));
}
