/** A compiled plan's device memory as plain data for a picture of it (`plan.json`). Sizes in bytes. */
import { type AliveTensor, livesOf } from "../kernels/graph/peak.ts";
import type { BufferRole, Plan } from "../kernels/spec.ts";
import { networkPart } from "./network_part.ts";

/** Value of `format` in plan.json. */
export const MEMORY_PLAN_FORMAT = "spark3d-plan-1";

/** What lies in a slot for a time: a tensor, or several of one part of the network one after another. */
export interface SlotTenant {
  /** Node that made it, for example `encoder.stages.0.blocks.1.conv1/conv3d`, or part of the network. */
  readonly name: string;
  readonly phase: string;
  /** First and last dispatch that touches it, from 0 within its phase. */
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
}

/** Where memory goes. Slots are there all the time and shared by all phases, of which one runs at a time. */
export interface MemoryPlan {
  readonly format: typeof MEMORY_PLAN_FORMAT;
  /** Sum of all segments and slots. */
  readonly peakBytes: number;
  /** Memory that is held from first to last: weights, gradients, states (optimizer, loss scale, metrics), inputs, outputs. */
  readonly segments: readonly { readonly name: string; readonly bytes: number }[];
  /** Largest first. */
  readonly slots: readonly { readonly bytes: number; readonly tenants: readonly SlotTenant[] }[];
  /** In order of the plan; `flop` of one run of the phase. */
  readonly phases: readonly { readonly name: string; readonly dispatches: number; readonly flop: number }[];
}

/** Most tenants that are told one by one. */
const TENANT_LIMIT = 2000;

/** Names of memory that is held from first to last. */
const SEGMENT_NAMES = {
  parameter: "weights",
  gradient: "gradients",
  state: "states",
  input: "inputs",
  output: "outputs",
} as const;

/**
 * Tells where a plan's memory goes.
 *
 * @param limit with more tenants than this, those of one part of the network that follow each other in a slot are told as one
 */
export function memoryPlan(plan: Plan, limit = TENANT_LIMIT): MemoryPlan {
  const phases = Object.keys(plan.phases);
  const lives = phases.flatMap((phase) => livesOf(plan, phase).map((tensor) => ({ ...tensor, phase })));
  const named = lives.length <= limit ? lives : mergeNeighbours(lives);
  const inSlot = Map.groupBy(named, ({ buffer }) => buffer);
  const slots = plan.buffers.flatMap(({ role, size }, buffer) => {
    const tenants = (inSlot.get(buffer) ?? [])
      .map(({ node, phase, first, last, bytes }) => ({ name: node, phase, first, last, bytes }));
    return role === "slot" ? [{ bytes: size, tenants }] : [];
  });
  const held = (role: BufferRole) =>
    plan.buffers.reduce((sum, buffer) => sum + (buffer.role === role ? buffer.size : 0), 0);
  return {
    format: MEMORY_PLAN_FORMAT,
    peakBytes: plan.report.peakBytes,
    segments: Object.entries(SEGMENT_NAMES)
      .map(([role, name]) => ({ name, bytes: held(role as BufferRole) })).filter(({ bytes }) => bytes > 0),
    slots: slots.toSorted((a, b) => b.bytes - a.bytes),
    phases: Object.entries(plan.report.phases)
      .map(([name, { dispatches, flop }]) => ({ name, dispatches, flop })),
  };
}

type Life = AliveTensor & { readonly phase: string };

/** Tensors of one part of the network that follow each other in a slot become one. */
function mergeNeighbours(lives: readonly Life[]): Life[] {
  const latest = new Map<number, number>();
  const merged: Life[] = [];
  for (const life of lives) {
    const node = networkPart(life.node);
    const at = latest.get(life.buffer) ?? -1;
    const before = merged[at];
    if (before?.phase === life.phase && before.node === node) {
      merged[at] = { ...before, last: life.last, bytes: Math.max(before.bytes, life.bytes) };
    } else {
      latest.set(life.buffer, merged.length);
      merged.push({ ...life, node });
    }
  }
  return merged;
}
