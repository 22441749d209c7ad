/** Assigns transient tensors to as few bytes as possible: greedy colouring of their lives, largest first. */
import type { Tenant } from "./storage.ts";

/** A buffer shared by tenants whose lives do not overlap. */
export interface Slot {
  readonly bytes: number;
  readonly tenants: readonly Tenant[];
}

/** Groups tenants of one phase into slots; every slot is as large as its largest tenant. */
export function assignSlots(tenants: readonly Tenant[]): readonly Slot[] {
  const slots: { bytes: number; tenants: Tenant[] }[] = [];
  const bySize = tenants.map((tenant, i) => ({ tenant, i }))
    .sort((a, b) => b.tenant.bytes - a.tenant.bytes || a.tenant.first - b.tenant.first || a.i - b.i);
  for (const { tenant } of bySize) {
    const free = slots.find((slot) =>
      slot.tenants.every((t) => t.last < tenant.first || t.first > tenant.last)
    );
    if (free) free.tenants.push(tenant);
    else slots.push({ bytes: tenant.bytes, tenants: [tenant] });
  }
  return slots;
}

/** Largest sum of bytes alive at one dispatch: no assignment can need less. */
export function liveBytesBound(tenants: readonly Tenant[]): number {
  const changes = new Map<number, number>();
  for (const t of tenants) {
    changes.set(t.first, (changes.get(t.first) ?? 0) + t.bytes);
    changes.set(t.last + 1, (changes.get(t.last + 1) ?? 0) - t.bytes);
  }
  let alive = 0;
  let peak = 0;
  for (const at of [...changes.keys()].sort((a, b) => a - b)) {
    alive += changes.get(at)!;
    peak = Math.max(peak, alive);
  }
  return peak;
}
