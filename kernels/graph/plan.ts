/** Compiles a graph into a plan: pure arithmetic, no GPU. */
import { formatBytes, LimitError, PlanError } from "../errors.ts";
import {
  type BufferRange,
  type BufferRole,
  byteLength,
  type DeviceFacts,
  type Dispatch,
  type Plan,
  type TensorSpec,
  type TuningTable,
} from "../spec.ts";
import type { Graph, Value } from "./graph.ts";
import { type LoweredPhase, lowerPhase } from "./lower.ts";
import { recompute } from "./recompute.ts";
import { arrange } from "./schedule.ts";
import { assignSlots, liveBytesBound } from "./slots.ts";
import { type Step, stepsOf } from "./steps.ts";
import { isPersistent, type Tenant } from "./storage.ts";

/** Options of {@link compile}. */
export interface CompileOptions {
  readonly device: DeviceFacts;
  /** For every phase the values it must produce; phases run one at a time and share slots. */
  readonly phases: Readonly<Record<string, readonly Value[]>>;
  /**
   * Whether cheap values are computed again instead of kept. `auto`, the default: as little as it takes to stay within
   * `memoryBudget`, so never without one; `all`: as long as it lowers the peak. Results are the same to the bit.
   */
  readonly recompute?: "auto" | "off" | "all";
  /** Most bytes of device memory that the plan may take. WebGPU does not say how much there is. */
  readonly memoryBudget?: number;
  /** Measured tiles that replace those chosen by rule. Another tile adds in another order: results differ in rounding. */
  readonly tuning?: TuningTable;
}

interface BufferDraft {
  size: number;
  role: BufferRole;
  label: string;
}

/** Lowered phases with the buffers that they take. */
interface Placed {
  readonly lowered: readonly LoweredPhase[];
  readonly buffers: readonly BufferDraft[];
  readonly ranges: ReadonlyMap<Value, BufferRange>;
  readonly tenantBuffer: ReadonlyMap<Tenant, number>;
  readonly named: Record<string, BufferRange & { spec: TensorSpec; role: BufferRole }>;
  readonly persistentBytes: number;
  readonly peakBytes: number;
}

/**
 * Plans buffers, pipelines and dispatches.
 *
 * @throws {LimitError} when a tensor or buffer exceeds the device, or all of them the memory budget
 * @throws {PlanError} when the graph is inconsistent, or the tuning table belongs to another adapter
 */
export function compile(graph: Graph, options: CompileOptions): Plan {
  const { lowered, buffers, ranges, tenantBuffer, named, persistentBytes, peakBytes } = fit(graph, {
    ...options,
    device: tunedDevice(options),
  });
  for (const [name, value] of graph.outputs) {
    const range = outputRange(value, lowered, ranges);
    if (range) named[name] = { ...range, spec: value.spec, role: buffers[range.buffer].role };
  }
  const sources = new Map<string, number>();
  const phases: Record<string, Dispatch[]> = {};
  const figures: Record<string, { dispatches: number; flop: number; bytes: number }> = {};
  for (const phase of lowered) {
    phases[phase.name] = phase.dispatches.map(({ node, kernel, cost, bindings, overwrites, remakes }) => {
      if (!sources.has(kernel.source)) sources.set(kernel.source, sources.size);
      return {
        label: kernel.label,
        node: node.scope ? `${node.scope}/${node.op.name}` : node.op.name,
        op: node.op.name,
        source: sources.get(kernel.source)!,
        params: kernel.params,
        bindings: bindings.map(({ storage, bytes }) =>
          isPersistent(storage)
            ? { ...ranges.get(storage)!, size: Math.max(4, bytes) }
            : { buffer: tenantBuffer.get(storage)!, offset: 0, size: Math.max(4, bytes) }
        ),
        access: kernel.bindings.map((b) => b.access),
        tenants: bindings.map((b) => b.tag),
        overwrites: overwrites.map((o) => ({ buffer: tenantBuffer.get(o.storage)!, input: o.input })),
        remakes,
        workgroups: kernel.workgroups,
        cost,
      };
    });
    figures[phase.name] = {
      dispatches: phases[phase.name].length,
      flop: phases[phase.name].reduce((sum, d) => sum + d.cost.flop, 0),
      bytes: phases[phase.name].reduce((sum, d) => sum + d.cost.bytesRead + d.cost.bytesWritten, 0),
    };
  }
  const allTenants = lowered.map((phase) => phase.tenants);
  return {
    buffers,
    sources: [...sources.keys()],
    phases,
    named,
    report: {
      peakBytes,
      persistentBytes,
      transientBytes: peakBytes - persistentBytes,
      transientLowerBoundBytes: Math.max(0, ...allTenants.map(liveBytesBound)),
      transientSumBytes: Math.max(0, ...allTenants.map((t) => t.reduce((sum, x) => sum + x.bytes, 0))),
      slots: buffers.filter((b) => b.role === "slot").length,
      pipelines: sources.size,
      phases: figures,
    },
  };
}

/** The device with the tiles that were measured on it. @throws {PlanError} when that was another adapter */
function tunedDevice({ device, tuning }: CompileOptions): DeviceFacts {
  if (!tuning) return device;
  if (tuning.adapter !== device.adapter) {
    throw new PlanError(
      `Cannot use a tuning table of ${tuning.adapter} on ${device.adapter}: ` +
        `measure this adapter with spark3d tune, or leave the table out (--tuning none)`,
    );
  }
  return { ...device, tiles: tuning.entries };
}

/** Lowers and places all phases, and recomputes what it takes to stay within the budget. */
function fit(graph: Graph, options: CompileOptions): Placed {
  const { device, memoryBudget = Infinity, recompute: mode = "auto" } = options;
  const phases = Object.entries(options.phases)
    .map(([name, targets]) => ({ name, steps: arrange(graph, stepsOf(graph, targets)) }));
  const lower = (steps: readonly (readonly Step[])[]) =>
    place(graph, phases.map(({ name }, i) => lowerPhase(graph, name, steps[i], device)), device);
  const kept = phases.map((p) => p.steps);
  const whole = lower(kept);
  let placed = whole;
  // slots take a little more than what is alive at once, so the first try may miss the budget
  for (let target = mode === "all" ? 0 : memoryBudget - whole.persistentBytes; mode !== "off";) {
    const over = placed.peakBytes - memoryBudget;
    if (mode === "auto" && over <= 0) break;
    if (placed !== whole) target -= over;
    const scratch = whole.lowered.map((phase) => phase.scratch);
    placed = lower(kept.map((steps, i) => recompute(graph, steps, { target, scratch: scratch[i] })));
    if (target <= 0) break;
  }
  if (placed.peakBytes > memoryBudget) {
    throw new LimitError(
      `Cannot plan within ${formatBytes(memoryBudget)} of device memory: needs ${
        formatBytes(placed.peakBytes)
      }${mode === "off" ? "" : ", recomputing included"}: use a smaller patch or a larger budget`,
      { value: "device memory", need: placed.peakBytes, max: memoryBudget },
    );
  }
  return placed;
}

function place(graph: Graph, lowered: readonly LoweredPhase[], device: DeviceFacts): Placed {
  const buffers: BufferDraft[] = [];
  const named: Placed["named"] = {};
  const ranges = new Map<Value, BufferRange>();
  placePersistent(graph, lowered, buffers, ranges, named, device);
  const total = () => buffers.reduce((sum, b) => sum + b.size, 0);
  const persistentBytes = total();
  const tenantBuffer = placeTenants(lowered, buffers, device);
  return { lowered, buffers, ranges, tenantBuffer, named, persistentBytes, peakBytes: total() };
}

function placePersistent(
  graph: Graph,
  lowered: readonly LoweredPhase[],
  buffers: BufferDraft[],
  ranges: Map<Value, BufferRange>,
  named: Record<string, BufferRange & { spec: TensorSpec; role: BufferRole }>,
  device: DeviceFacts,
): void {
  const place = (value: Value, role: BufferRole) => {
    const size = Math.max(4, byteLength(value.spec));
    checkSize(value.name, size, device);
    ranges.set(value, { buffer: buffers.length, offset: 0, size });
    buffers.push({ size, role, label: value.name });
  };
  const packed = new Set<Value>();
  for (const segment of graph.segments) {
    place(segment.value, segment.value.role as BufferRole);
    packed.add(segment.value);
    const { buffer } = ranges.get(segment.value)!;
    for (const { value, offset } of segment.members) {
      ranges.set(value, { buffer, offset, size: byteLength(value.spec) });
      packed.add(value);
    }
  }
  for (const value of graph.values) {
    if (value.role !== "node" && !packed.has(value)) place(value, value.role);
  }
  const exposed = new Set(
    lowered.flatMap((phase) => [...phase.storage].filter(([v, s]) => v === s).map(([v]) => v)),
  );
  for (const value of exposed) place(value, "output");
  for (const value of graph.values) {
    const range = ranges.get(value);
    if (value.role !== "node" && range) {
      named[value.name] = { ...range, spec: value.spec, role: buffers[range.buffer].role };
    }
  }
}

function placeTenants(
  lowered: readonly LoweredPhase[],
  buffers: BufferDraft[],
  device: DeviceFacts,
): Map<Tenant, number> {
  let start = 0;
  const all: Tenant[] = [];
  const origin = new Map<Tenant, Tenant>();
  for (const phase of lowered) {
    for (const tenant of phase.tenants) {
      const shifted = { ...tenant, first: tenant.first + start, last: tenant.last + start };
      origin.set(shifted, tenant);
      all.push(shifted);
    }
    start += phase.dispatches.length;
  }
  const buffer = new Map<Tenant, number>();
  assignSlots(all).forEach((slot, i) => {
    checkSize(slot.tenants[0].tag, slot.bytes, device);
    for (const tenant of slot.tenants) buffer.set(origin.get(tenant)!, buffers.length);
    buffers.push({ size: Math.max(4, slot.bytes), role: "slot", label: `slot ${i}` });
  });
  return buffer;
}

function outputRange(
  value: Value,
  lowered: readonly LoweredPhase[],
  ranges: ReadonlyMap<Value, BufferRange>,
): BufferRange | undefined {
  if (value.role !== "node") return ranges.get(value);
  for (const phase of lowered) {
    const storage = phase.storage.get(value);
    if (!storage) continue;
    if (!isPersistent(storage)) throw new PlanError(`Cannot expose ${value.name}: it lives in a shared slot`);
    return { ...ranges.get(storage)!, size: byteLength(value.spec) };
  }
  return undefined;
}

function checkSize(name: string, size: number, device: DeviceFacts): void {
  const max = Math.min(device.maxBinding, device.maxBuffer);
  if (size > max) {
    throw new LimitError(
      `Cannot bind ${name}: needs ${formatBytes(size)} in one binding, adapter ${device.adapter} allows ${
        formatBytes(max)
      }: ` +
        `use a smaller patch or another adapter`,
      { value: name, need: size, max },
    );
  }
}
