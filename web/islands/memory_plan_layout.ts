import type { MemoryPlan } from "../../train/memory_plan.ts";

/** What a rectangle of the memory picture stands for. */
export type MemoryKind = "held" | "free" | "encoder" | "decoder" | "other";

/** A rectangle: dispatches over all phases from left to right, bytes from below. */
export interface MemoryBox {
  readonly kind: MemoryKind;
  readonly name: string;
  /** Null for what is held in all phases. */
  readonly phase: string | null;
  /** First and last dispatch of its phase; of all phases together for what is held. */
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
  /** Left edge and width in dispatches of all phases one after another. */
  readonly start: number;
  readonly span: number;
  /** Lower edge in bytes. */
  readonly bottom: number;
}

/** A phase on the horizontal axis. */
export interface PhaseSpan {
  readonly name: string;
  readonly start: number;
  readonly span: number;
  readonly flop: number;
}

/** The whole picture in dispatches and bytes. */
export interface MemoryLayout {
  readonly boxes: readonly MemoryBox[];
  readonly phases: readonly PhaseSpan[];
  readonly dispatches: number;
  readonly bytes: number;
}

/** Stacks what a plan holds all the time, then its slots with their tenants over the dispatches of all phases. */
export function layoutMemoryPlan(plan: MemoryPlan): MemoryLayout {
  let dispatches = 0;
  const phases = plan.phases.map(({ name, dispatches: span, flop }) => {
    dispatches += span;
    return { name, start: dispatches - span, span, flop };
  });
  const startOf = new Map(phases.map(({ name, start }) => [name, start]));
  const boxes: MemoryBox[] = [];
  let bottom = 0;
  const whole = { phase: null, first: 0, last: Math.max(0, dispatches - 1), start: 0, span: dispatches };
  for (const { name, bytes } of plan.segments) {
    boxes.push({ ...whole, kind: "held", name, bytes, bottom });
    bottom += bytes;
  }
  plan.slots.forEach(({ bytes, tenants }, i) => {
    boxes.push({ ...whole, kind: "free", name: `slot ${i + 1}`, bytes, bottom });
    for (const tenant of tenants) {
      const start = (startOf.get(tenant.phase) ?? 0) + tenant.first;
      const span = tenant.last - tenant.first + 1;
      boxes.push({ ...tenant, kind: kindOf(tenant.name), start, span, bottom });
    }
    bottom += bytes;
  });
  return { boxes, phases, dispatches, bytes: bottom };
}

function kindOf(name: string): MemoryKind {
  return name.includes("encoder") ? "encoder" : name.includes("decoder") ? "decoder" : "other";
}

/** Round numbers of MiB from 0 up to a limit, at most seven. */
export function mebibyteTicks(bytes: number): number[] {
  const most = bytes / 2 ** 20;
  const step = 2 ** Math.ceil(Math.log2(most / 6));
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}
