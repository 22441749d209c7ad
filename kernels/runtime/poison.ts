/** Poison mode: memory that nobody may read holds NaN, so a planner error shows up as NaN in the results. */
import type { Plan } from "../spec.ts";

/** Buffers to fill before and after each dispatch of a phase. */
export interface PoisonSchedule {
  readonly before: readonly (readonly number[])[];
  readonly after: readonly (readonly number[])[];
}

/** Works out, from the bindings alone, when each slot's contents begin and end. */
export function poisonSchedule(plan: Plan, phase: string): PoisonSchedule {
  const dispatches = plan.phases[phase];
  const before = dispatches.map((): number[] => []);
  const after = dispatches.map((): number[] => []);
  const last = new Map<number, { tenant: string; at: number }>();
  dispatches.forEach((dispatch, at) => {
    dispatch.bindings.forEach(({ buffer }, k) => {
      if (plan.buffers[buffer].role !== "slot") return;
      const tenant = dispatch.tenants[k];
      const previous = last.get(buffer);
      const continues = previous &&
        (previous.tenant === tenant || updatesInPlace(plan, phase, buffer, previous.tenant, at));
      if (previous && !continues) after[previous.at].push(buffer);
      if (!continues) before[at].push(buffer);
      last.set(buffer, { tenant, at });
    });
  });
  for (const [buffer, { at }] of last) after[at].push(buffer);
  return { before, after };
}

/** A write under a new name continues the old contents when the dispatch is marked as overwriting its input. */
function updatesInPlace(plan: Plan, phase: string, buffer: number, previous: string, at: number): boolean {
  return plan.phases[phase][at].overwrites.some((o) => o.buffer === buffer && o.input === previous);
}

/** Two quiet NaNs as 16-bit floats, one as a 32-bit float. */
const NAN_WORD = 0x7fc07fc0;

/** Fills a whole buffer with NaN, whether it is read as 32-bit or 16-bit floats. */
export function fillPoison(device: GPUDevice, buffer: GPUBuffer): void {
  device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(NAN_WORD));
}
