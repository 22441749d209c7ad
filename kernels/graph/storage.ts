/** Decides which values of a phase share storage, and when each storage is in use. */
import { PlanError } from "../errors.ts";
import { byteLength } from "../spec.ts";
import type { Graph, Value } from "./graph.ts";
import { lastReaders, madeBy, persistence, readBy, type Step, updatedBy } from "./steps.ts";

/** Transient storage with its life, both ends included. */
export interface Tenant {
  readonly tag: string;
  readonly bytes: number;
  first: number;
  last: number;
}

/** Where values live and what shares storage, decided without lowering anything. */
export interface Storage {
  /** Storage of every value made in the phase: a persistent value, or a tenant whose life counts steps. */
  readonly of: ReadonlyMap<Value, Tenant | Value>;
  readonly tenants: readonly Tenant[];
  /** For every step the pairs (input, output) that share a buffer. */
  readonly inPlace: readonly (readonly (readonly [input: number, output: number])[])[];
}

/** Whether storage is a value of the graph (persistent) rather than a transient tenant. */
export function isPersistent(storage: Tenant | Value): storage is Value {
  return "role" in storage;
}

/**
 * Outputs of the graph made here get storage of their own, updates and sums that of what they update, and an input that
 * dies at a step which may overwrite it lends its storage to the output.
 *
 * @throws {PlanError} when a step updates a transient, or reads a persistent tensor that an earlier one has updated
 */
export function assignStorage(graph: Graph, steps: readonly Step[]): Storage {
  const last = lastReaders(steps);
  const exposed = new Set(graph.outputs.values());
  const { overlap } = persistence(graph);
  const of = new Map<Value, Tenant | Value>();
  const tenants: Tenant[] = [];
  const updated = new Map<Value, Step>();
  const inPlace = steps.map((step, at) => {
    const { node, inputs, outputs } = step;
    refuseStaleReads(step, updated, overlap);
    const made = new Set(madeBy(step));
    const pairs: [number, number][] = (node.op.updates ?? []).map(([i, o]) => [i, o]);
    for (const [i, o] of pairs) {
      if (inputs[i].role === "node") {
        throw new PlanError(`Cannot update ${inputs[i].name} in ${node.op.name}: wanted a persistent tensor`);
      }
      of.set(outputs[o], inputs[i]);
    }
    for (const { output, onto } of step.accumulate) of.set(outputs[output], of.get(onto) ?? onto);
    for (const value of updatedBy(step)) updated.set(value, step);
    for (const [i, o] of node.op.mayOverwrite ?? []) {
      const [input, output] = [inputs[i], outputs[o]];
      const held = input && output && of.get(input);
      const dies = held && !isPersistent(held) && last.get(input) === at &&
        held.bytes === byteLength(output.spec) &&
        readBy(step).filter((v) => of.get(v) === held).length === 1;
      const lent = pairs.some(([other]) => other === i);
      if (dies && !lent && made.has(output) && !exposed.has(output) && !of.has(output)) {
        pairs.push([i, o]);
        of.set(output, held);
      }
    }
    for (const value of made) {
      if (of.has(value)) continue;
      if (exposed.has(value)) of.set(value, value);
      else {
        const tenant = { tag: value.name, bytes: byteLength(value.spec), first: at, last: at };
        tenants.push(tenant);
        of.set(value, tenant);
      }
    }
    for (const value of [...readBy(step), ...outputs]) {
      const held = of.get(value);
      if (held && !isPersistent(held)) held.last = at;
    }
    return pairs;
  });
  return { of, tenants, inPlace };
}

/**
 * An update replaces a persistent tensor in place, so a later reader of the tensor itself would see the new contents where
 * the graph says the old ones.
 */
function refuseStaleReads(
  { node, inputs }: Step,
  updated: ReadonlyMap<Value, Step>,
  overlap: (a: Value, b: Value) => boolean,
): void {
  for (const input of inputs) {
    if (input.role === "node") continue;
    for (const [target, by] of updated) {
      if (!overlap(target, input)) continue;
      throw new PlanError(
        `Cannot read ${input.name} in ${node.op.name}#${node.id}: ${by.node.op.name}#${by.node.id} has replaced its contents in the ` +
          `same phase: read the updated value, apply ${node.op.name} before the update, or put it into a later phase`,
        { value: input.name, node: node.id, updatedBy: by.node.id },
      );
    }
  }
}
