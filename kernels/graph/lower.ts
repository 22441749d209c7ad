/** Turns the nodes a phase needs into kernels and decides which values share storage. */
import { LimitError, PlanError } from "../errors.ts";
import { byteLength, type DeviceFacts, type KernelSpec, type Lowering } from "../spec.ts";
import type { Graph, Node, Value } from "./graph.ts";

/** A tensor of a phase that needs a slot, with its life in dispatch numbers, both ends included. */
export interface Tenant {
  readonly tag: string;
  readonly bytes: number;
  first: number;
  last: number;
}

/** A kernel of a phase with the storage of each binding: a persistent value, or a tenant. */
export interface LoweredDispatch {
  readonly node: Node;
  readonly kernel: KernelSpec;
  readonly firstOfNode: boolean;
  readonly bindings: readonly {
    readonly tag: string;
    readonly storage: Tenant | Value;
    readonly bytes: number;
  }[];
  readonly overwrites: readonly { readonly storage: Tenant; readonly input: string }[];
}

/** One phase after lowering. */
export interface LoweredPhase {
  readonly name: string;
  readonly dispatches: readonly LoweredDispatch[];
  readonly tenants: readonly Tenant[];
  /** Where each value of the phase ended up. */
  readonly storage: ReadonlyMap<Value, Tenant | Value>;
}

/** Whether storage is a value of the graph (persistent) rather than a transient tenant. */
export function isPersistent(storage: Tenant | Value): storage is Value {
  return "role" in storage;
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

/**
 * Lowers one phase. Outputs of the graph computed here get storage of their own; an input that dies at a node which
 * may overwrite it lends its storage to the output.
 *
 * @throws {PlanError} when a node reads a persistent tensor that an earlier node of the phase updates in place
 * @throws {LimitError} when a kernel exceeds the device
 */
export function lowerPhase(
  graph: Graph,
  name: string,
  targets: readonly Value[],
  device: DeviceFacts,
): LoweredPhase {
  const nodes = neededNodes(graph, targets);
  const lastReader = new Map<Value, Node>();
  for (const node of nodes) for (const input of node.inputs) lastReader.set(input, node);
  const exposed = new Set(graph.outputs.values());
  const storage = new Map<Value, Tenant | Value>();
  const tenants: Tenant[] = [];
  const dispatches: LoweredDispatch[] = [];
  const updated = new Map<Value, Node>();
  const segmentOf = new Map(graph.segments.flatMap((s) => s.members.map((m) => [m.value, s.value])));
  for (const node of nodes) {
    refuseStaleReads(node, updated, segmentOf);
    const inPlace: [number, number][] = (node.op.updates ?? []).map(([i, o]) => [i, o]);
    for (const [i, o] of inPlace) {
      const target = node.inputs[i];
      if (target.role === "node") {
        throw new PlanError(`Cannot update ${target.name} in ${node.op.name}: wanted a persistent tensor`);
      }
      storage.set(node.outputs[o], target);
      updated.set(target, node);
    }
    for (const [i, o] of node.op.mayOverwrite ?? []) {
      const [input, output] = [node.inputs[i], node.outputs[o]];
      const held = input && storage.get(input);
      const free = held && !isPersistent(held) && lastReader.get(input) === node && !exposed.has(output) &&
        node.inputs.filter((v) => v === input).length === 1 && held.bytes === byteLength(output.spec) &&
        ![...storage].some(([v, s]) => s === held && v !== input && (lastReader.get(v)?.id ?? -1) > node.id);
      if (free && !inPlace.some(([, other]) => other === o)) {
        inPlace.push([i, o]);
        storage.set(output, held);
      }
    }
    const lowering: Lowering = node.op.lower({
      inputs: node.inputs.map((v) => v.spec),
      outputs: node.outputs.map((v) => v.spec),
      attrs: node.attrs,
      inPlace,
      accumulate: [],
      recompute: false,
      device,
    });
    const overwrites = inPlace.flatMap(([i]) => {
      const held = storage.get(node.inputs[i]);
      return held && !isPersistent(held) ? [{ storage: held, input: node.inputs[i].name }] : [];
    });
    const start = dispatches.length;
    const scratch = lowering.scratch.map((spec, i): Tenant => ({
      tag: `${node.op.name}#${node.id}.scratch${i}`,
      bytes: byteLength(spec),
      first: start,
      last: start + lowering.kernels.length - 1,
    }));
    tenants.push(...scratch);
    for (const output of node.outputs) {
      if (storage.has(output)) continue;
      if (exposed.has(output)) {
        storage.set(output, output);
        continue;
      }
      const tenant = { tag: output.name, bytes: byteLength(output.spec), first: start, last: start };
      tenants.push(tenant);
      storage.set(output, tenant);
    }
    lowering.kernels.forEach((kernel, k) => {
      const bindings = kernel.bindings.map(({ port }) => {
        if (port.kind === "scratch") {
          const tenant = scratch[port.index];
          return { tag: tenant.tag, storage: tenant, bytes: tenant.bytes };
        }
        const value = port.kind === "input" ? node.inputs[port.index] : node.outputs[port.index];
        const place = value.role === "node" ? storage.get(value)! : value;
        if (!isPersistent(place)) place.last = dispatches.length;
        return { tag: value.name, storage: place, bytes: byteLength(value.spec) };
      });
      checkKernel(kernel, bindings, device);
      dispatches.push({ node, kernel, firstOfNode: k === 0, bindings, overwrites });
    });
  }
  return { name, dispatches, tenants, storage };
}

/**
 * An update replaces a persistent tensor in place, so a later reader of the tensor itself would see the new contents where
 * the graph says the old ones.
 */
function refuseStaleReads(
  node: Node,
  updated: ReadonlyMap<Value, Node>,
  segmentOf: ReadonlyMap<Value, Value>,
): void {
  for (const input of node.inputs) {
    if (input.role === "node") continue;
    for (const [target, by] of updated) {
      if (target !== input && segmentOf.get(target) !== input && segmentOf.get(input) !== target) continue;
      throw new PlanError(
        `Cannot read ${input.name} in ${node.op.name}#${node.id}: ${by.op.name}#${by.id} has replaced its contents in the ` +
          `same phase: read the updated value, apply ${node.op.name} before the update, or put it into a later phase`,
        { value: input.name, node: node.id, updatedBy: by.id },
      );
    }
  }
}

function checkKernel(
  kernel: KernelSpec,
  bindings: readonly { tag: string; bytes: number }[],
  device: DeviceFacts,
): void {
  if (bindings.length > device.maxStorageBindings) {
    throw new LimitError(
      `Cannot bind ${kernel.label}: needs ${bindings.length} storage buffers, adapter allows ${device.maxStorageBindings}`,
      { value: kernel.label, need: bindings.length, max: device.maxStorageBindings },
    );
  }
  const groups = Math.max(...kernel.workgroups);
  if (groups > device.maxGroupsPerDimension) {
    throw new LimitError(
      `Cannot dispatch ${kernel.label}: needs ${groups} workgroups in one dimension, adapter allows ${device.maxGroupsPerDimension}`,
      { value: kernel.label, need: groups, max: device.maxGroupsPerDimension },
    );
  }
}
