/** What fills the slots of a plan at the moment that needs most memory. */
import type { Plan } from "../spec.ts";

/** A tensor that is alive at the peak. Dispatches are numbered from 0 within the phase. */
export interface AliveTensor {
  readonly tensor: string;
  /** The slot that it lies in, an index of the plan's buffers. */
  readonly buffer: number;
  readonly bytes: number;
  /** Node and operation that made it. */
  readonly node: string;
  readonly op: string;
  readonly first: number;
  readonly last: number;
}

/** The dispatch of a plan at which most transient bytes are alive. */
export interface PeakMemory {
  readonly phase: string;
  readonly dispatch: number;
  /** Node of that dispatch. */
  readonly node: string;
  readonly bytes: number;
  /** Largest first. */
  readonly alive: readonly AliveTensor[];
}

/** Finds the peak from the dispatches alone. Null when the plan has no transient tensors. */
export function memoryAtPeak(plan: Plan): PeakMemory | null {
  const peaks = Object.entries(plan.phases).map(([phase, dispatches]) => {
    const lives = livesOf(plan, phase);
    const change = new Float64Array(dispatches.length + 1);
    for (const { bytes, first, last } of lives) {
      change[first] += bytes;
      change[last + 1] -= bytes;
    }
    let [alive, bytes, at] = [0, 0, 0];
    dispatches.forEach((_, dispatch) => {
      alive += change[dispatch];
      if (alive > bytes) [bytes, at] = [alive, dispatch];
    });
    return { phase, at, bytes, lives };
  });
  const peak = peaks.reduce((most, p) => p.bytes > most.bytes ? p : most, peaks[0]);
  if (!peak || peak.bytes === 0) return null;
  const { phase, at, bytes, lives } = peak;
  const alive = lives.filter((t) => t.first <= at && at <= t.last).sort((a, b) => b.bytes - a.bytes);
  return { phase, dispatch: at, node: plan.phases[phase][at].node, bytes, alive };
}

/** Tenants of slots with their first and last dispatch; one that is overwritten in place ends where its successor begins. */
export function livesOf(plan: Plan, phase: string): AliveTensor[] {
  const lives = new Map<string, { -readonly [K in keyof AliveTensor]: AliveTensor[K] }>();
  plan.phases[phase].forEach(({ bindings, tenants, overwrites, node, op }, at) => {
    bindings.forEach(({ buffer, size }, i) => {
      if (plan.buffers[buffer].role !== "slot") return;
      const known = lives.get(tenants[i]);
      if (known) known.last = at;
      if (known) return;
      lives.set(tenants[i], { tensor: tenants[i], buffer, bytes: size, node, op, first: at, last: at });
      const replaced = overwrites.find((o) => o.buffer === buffer);
      const before = replaced && lives.get(replaced.input);
      if (before) before.last = at - 1;
    });
  });
  return [...lives.values()];
}
