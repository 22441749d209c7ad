/** Reverse-mode differentiation: the gradient is more nodes of the same graph. */
import { PlanError } from "../errors.ts";
import type { OpDef } from "../spec.ts";
import type { Graph, Value } from "./graph.ts";

/** Options of {@link differentiate}. */
export interface DifferentiateOptions {
  /** Gradient of the loss with respect to some outputs, same shapes. */
  readonly seeds: ReadonlyMap<Value, Value>;
  readonly wrt: readonly Value[];
  /** Operation that adds two gradients of one value (fan-out); given by the caller so that the graph knows no operation. */
  readonly add: OpDef<Record<string, never>>;
}

/**
 * Appends the backward graph.
 *
 * @returns gradient of every value of `wrt` that the seeded values depend on; others are absent
 * @throws {PlanError} when a gradient must pass an operation without a gradient rule
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): ReadonlyMap<Value, Value> {
  const wanted = new Set<Value>(options.wrt);
  const forward = graph.nodes.slice();
  const depends = new Set<Value>(wanted);
  for (const node of forward) {
    if (node.inputs.some((v) => depends.has(v))) { for (const output of node.outputs) depends.add(output); }
  }
  const gradients = new Map<Value, Value>(options.seeds);
  const contribute = (value: Value, gradient: Value) => {
    const before = gradients.get(value);
    gradients.set(value, before ? graph.apply(options.add, [before, gradient], {})[0] : gradient);
  };
  for (const node of forward.reverse()) {
    const flowing = node.outputs.map((v) => gradients.get(v) ?? null);
    const needed = node.inputs.map((v) => depends.has(v));
    if (flowing.every((g) => g === null) || !needed.includes(true)) continue;
    if (!node.op.gradient) {
      throw new PlanError(
        `Cannot differentiate through ${node.op.name} (${node.scope}): it has no gradient rule`,
      );
    }
    const results = graph.within(`${node.scope || node.op.name}.backward`, () =>
      node.op.gradient!({
        inputs: node.inputs,
        outputs: node.outputs,
        gradients: flowing,
        needed,
        attrs: node.attrs,
        apply: (op, inputs, attrs) => graph.apply(op, inputs, attrs),
      }));
    results.forEach((gradient, i) => {
      if (gradient && needed[i]) contribute(node.inputs[i], gradient);
    });
  }
  const result = new Map<Value, Value>();
  for (const value of options.wrt) {
    const gradient = gradients.get(value);
    if (gradient) result.set(value, gradient);
  }
  return result;
}
