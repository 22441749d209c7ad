/** Turns the steps of a phase into kernels and gives every binding its storage. */
import { LimitError, ShapeError } from "../errors.ts";
import {
  byteLength,
  type Cost,
  type DeviceFacts,
  elementCount,
  type KernelSpec,
  type Lowering,
} from "../spec.ts";
import type { Graph, Node, Value } from "./graph.ts";
import { madeBy, type Step } from "./steps.ts";
import { assignStorage, isPersistent, type Tenant } from "./storage.ts";

/** A kernel of a phase with the storage of each binding: a persistent value, or a tenant. */
export interface LoweredDispatch {
  readonly node: Node;
  readonly kernel: KernelSpec;
  /** Cost of the node at its first kernel, zero at the others. */
  readonly cost: Cost;
  readonly bindings: readonly {
    readonly tag: string;
    readonly storage: Tenant | Value;
    readonly bytes: number;
  }[];
  readonly overwrites: readonly { readonly storage: Tenant; readonly input: string }[];
  readonly remakes: readonly { readonly tenant: string; readonly of: string }[];
}

/** One phase after lowering; lives of tenants count dispatches. */
export interface LoweredPhase {
  readonly name: string;
  readonly dispatches: readonly LoweredDispatch[];
  readonly tenants: readonly Tenant[];
  /** Where each value of the phase ended up. */
  readonly storage: ReadonlyMap<Value, Tenant | Value>;
  /** Bytes of scratch memory of every node. */
  readonly scratch: ReadonlyMap<Node, number>;
}

const NO_COST: Cost = { flop: 0, bytesRead: 0, bytesWritten: 0 };

/**
 * Lowers the steps of one phase.
 *
 * @throws {PlanError} as `assignStorage`
 * @throws {LimitError} when a kernel exceeds the device
 * @throws {ShapeError} when an operation takes f32 only and finds f16
 */
export function lowerPhase(
  graph: Graph,
  name: string,
  steps: readonly Step[],
  device: DeviceFacts,
): LoweredPhase {
  const { of, inPlace } = assignStorage(graph, steps);
  const tenants: Tenant[] = [];
  const dispatches: LoweredDispatch[] = [];
  const scratchBytes = new Map<Node, number>();
  const tenantOf = new Map<Tenant, Tenant>(); // of steps -> of dispatches
  const live = (storage: Tenant | Value): Tenant | Value => {
    if (isPersistent(storage)) return storage;
    let tenant = tenantOf.get(storage);
    if (!tenant) {
      tenant = { ...storage, first: dispatches.length, last: dispatches.length };
      tenantOf.set(storage, tenant);
      tenants.push(tenant);
    }
    return tenant;
  };
  steps.forEach((step, at) => {
    const { node, inputs, outputs, accumulate, remakes } = step;
    const lowering = lowerStep(step, inPlace[at], device);
    const replaced = [
      ...inPlace[at].map(([i]) => inputs[i]),
      ...accumulate.map((a) => a.onto),
    ];
    const overwrites = replaced.flatMap((value) => {
      const held = of.get(value);
      return held && !isPersistent(held) ? [{ storage: live(held) as Tenant, input: value.name }] : [];
    });
    const start = dispatches.length;
    const number = scratchNumber(step);
    const scratch = lowering.scratch.map((spec, i): Tenant => ({
      tag: `${node.op.name}#${node.id}.scratch${i}${number}`,
      bytes: byteLength(spec),
      first: start,
      last: start + lowering.kernels.length - 1,
    }));
    tenants.push(...scratch);
    scratchBytes.set(node, scratch.reduce((sum, t) => sum + t.bytes, 0));
    for (const output of madeBy(step)) live(of.get(output)!);
    const remade = remakes.map(({ made, of }) => ({ tenant: made.name, of: of.name }));
    if (number) remade.push(...scratch.map(({ tag }) => ({ tenant: tag, of: tag.slice(0, -number.length) })));
    lowering.kernels.forEach((kernel, k) => {
      const bindings = kernel.bindings.map(({ port, half }) => {
        if (port.kind === "scratch") {
          const tenant = scratch[port.index];
          return { tag: tenant.tag, storage: tenant, bytes: tenant.bytes };
        }
        const value = port.kind === "input" ? inputs[port.index] : outputs[port.index];
        checkType(kernel.label, value, half);
        const place = value.role === "node" ? live(of.get(value)!) : value;
        if (!isPersistent(place)) place.last = dispatches.length;
        return { tag: value.name, storage: place, bytes: byteLength(value.spec) };
      });
      checkKernel(kernel, bindings, device);
      const cost = k === 0 ? stepCost(step) : NO_COST;
      dispatches.push({ node, kernel, cost, bindings, overwrites, remakes: remade });
    });
  });
  const storage = new Map([...of].map(([v, s]) => [v, live(s)]));
  return { name, dispatches, tenants, storage, scratch: scratchBytes };
}

/** Asks the operation of a step for its kernels. */
function lowerStep(
  { node, inputs, outputs, accumulate, remakes }: Step,
  inPlace: Parameters<Node["op"]["lower"]>[0]["inPlace"],
  device: DeviceFacts,
): Lowering {
  return node.op.lower({
    inputs: inputs.map((v) => v.spec),
    outputs: outputs.map((v) => v.spec),
    attrs: node.attrs,
    inPlace,
    accumulate: accumulate.map(({ output, scale }) => ({ output, scale })),
    recompute: remakes.length > 0,
    device,
  });
}

/** What tells the scratch of a remade node from that of the first: the suffix of its outputs. */
function scratchNumber({ remakes: [first] }: Step): string {
  return first ? first.made.name.slice(first.of.name.length) : "";
}

/**
 * Cost of a step: the operation's, plus one read and a multiply-add for what it adds onto; a remade output is charged the
 * operation's arithmetic, but only the traffic of what it needs and makes.
 */
function stepCost(step: Step): Cost {
  const { node, inputs, outputs, accumulate, remakes } = step;
  const bytes = (values: readonly Value[]) => values.reduce((sum, v) => sum + byteLength(v.spec), 0);
  const cost = node.op.cost(inputs.map((v) => v.spec), outputs.map((v) => v.spec), node.attrs);
  const onto = accumulate.map((a) => a.onto);
  if (remakes.length > 0) {
    const made = madeBy(step);
    const kept = outputs.filter((v) => !made.includes(v));
    return { flop: cost.flop, bytesRead: bytes([...inputs, ...kept]), bytesWritten: bytes(made) };
  }
  const added = 2 * onto.reduce((sum, v) => sum + elementCount(v.spec.shape), 0);
  return {
    flop: cost.flop + added,
    added,
    bytesRead: cost.bytesRead + bytes(onto),
    bytesWritten: cost.bytesWritten,
  };
}

/** An operation that knows nothing of f16 would take two elements for one. @throws {ShapeError} */
function checkType(kernel: string, { name, spec: { dtype } }: Value, half: boolean): void {
  if ((dtype === "f16") === half) return;
  const [found, wanted] = half ? [dtype, "f16"] : [dtype, "f32"];
  throw new ShapeError(`Cannot bind ${name} in ${kernel}: it is ${found}, wanted ${wanted}: cast it first`, {
    op: kernel,
    found,
    wanted,
  });
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
