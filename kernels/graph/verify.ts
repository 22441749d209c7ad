/** An independent checker of plans: trusts nothing that the planner decided. */
import { PlanError } from "../errors.ts";
import type { BufferRange, DeviceFacts, Plan } from "../spec.ts";

/**
 * Checks every dispatch of a plan against WebGPU's rules and the plan's own story of who lives where.
 *
 * - buffers and bindings respect the device's limits; bindings lie inside their buffers and are aligned;
 * - no buffer is read and written by one dispatch, and no byte written through two bindings;
 * - a tensor stays where it is during a phase;
 * - what a dispatch reads from a slot was written earlier in the same phase and not overwritten since, and the same
 *   holds for contents that a dispatch replaces in place or adds onto;
 * - what is made once more is made from the same tensors as the first time, with the same contents.
 *
 * @throws {PlanError} naming phase, dispatch, tensor and buffer
 */
export function verifyPlan(plan: Plan, device: DeviceFacts): void {
  plan.buffers.forEach(({ size, label }, number) => {
    if (!Number.isInteger(size) || size <= 0 || size % 4 !== 0 || size > device.maxBuffer) {
      throw new PlanError(
        `Plan is invalid: buffer ${number} (${label}) has ${size} bytes, wanted a multiple of 4 up to ${device.maxBuffer}`,
        { buffer: number, size },
      );
    }
  });
  for (const [phase, dispatches] of Object.entries(plan.phases)) {
    const holder = new Map<number, string>();
    const places = new Map<string, string>();
    dispatches.forEach((dispatch, number) => {
      const where = `phase ${phase}, dispatch ${number} (${dispatch.label})`;
      const fail = (text: string, details: Record<string, unknown>): never => {
        throw new PlanError(`Plan is invalid: ${where}: ${text}`, { phase, number, ...details });
      };
      if (plan.sources[dispatch.source] === undefined) {
        fail("unknown source", { source: dispatch.source });
      }
      if (
        dispatch.bindings.length !== dispatch.access.length ||
        dispatch.bindings.length !== dispatch.tenants.length
      ) {
        fail("bindings, accesses and tenants differ in number", {});
      }
      if (dispatch.bindings.length > device.maxStorageBindings) {
        fail("too many bindings", { found: dispatch.bindings.length });
      }
      for (const count of dispatch.workgroups) {
        if (!Number.isInteger(count) || count < 1 || count > device.maxGroupsPerDimension) {
          fail(`${count} workgroups, wanted 1 to ${device.maxGroupsPerDimension}`, { count });
        }
      }
      const use = new Map<number, { written: BufferRange[]; read: number }>();
      dispatch.bindings.forEach((range, i) => {
        const buffer = plan.buffers[range.buffer];
        const tenant = dispatch.tenants[i];
        if (!buffer) fail(`${tenant} is bound to buffer ${range.buffer}, which does not exist`, { tenant });
        if (range.size <= 0 || range.size % 4 !== 0) fail(`${tenant} binds ${range.size} bytes`, { tenant });
        if (range.offset < 0 || range.offset % Math.max(4, device.offsetAlignment) !== 0) {
          fail(`${tenant} starts at ${range.offset}, wanted a multiple of ${device.offsetAlignment}`, {
            tenant,
          });
        }
        if (range.offset + range.size > buffer.size) {
          fail(`${tenant} ends beyond buffer ${range.buffer}`, { tenant });
        }
        if (range.size > device.maxBinding) {
          fail(`${tenant} needs ${range.size} bytes in one binding`, { tenant });
        }
        const entry = use.get(range.buffer) ?? { written: [], read: 0 };
        const twice = dispatch.access[i] === "read_write" && entry.written.some((w) => overlap(w, range));
        if (dispatch.access[i] === "read_write") entry.written.push(range);
        else entry.read++;
        use.set(range.buffer, entry);
        if (twice || (entry.written.length > 0 && entry.read > 0)) {
          fail(`buffer ${range.buffer} (${tenant}) is written and bound again`, {
            tenant,
            buffer: range.buffer,
          });
        }
        if (buffer.role === "slot" && dispatch.access[i] === "read" && holder.get(range.buffer) !== tenant) {
          fail(
            `reads ${tenant} from buffer ${range.buffer}, which holds ${
              holder.get(range.buffer) ?? "nothing"
            }`,
            { tenant },
          );
        }
      });
      for (const { buffer, input } of dispatch.overwrites) {
        const held = holder.get(buffer);
        // a later dispatch of the same node finds the contents that an earlier one has begun to replace
        const bound = dispatch.tenants.filter((_, i) => dispatch.bindings[i].buffer === buffer);
        if (bound.length > 0 && held !== input && !bound.includes(held ?? "")) {
          fail(`replaces ${input} in buffer ${buffer}, which holds ${held ?? "nothing"}`, {
            tenant: input,
            buffer,
          });
        }
      }
      dispatch.bindings.forEach((range, i) => {
        const tenant = dispatch.tenants[i];
        if (dispatch.access[i] === "read_write") holder.set(range.buffer, tenant);
        const place = `byte ${range.offset} of buffer ${range.buffer}`;
        const known = places.get(tenant) ?? place;
        if (known !== place) fail(`${tenant} is at ${place}, but before at ${known}`, { tenant });
        places.set(tenant, place);
      });
    });
    verifyRemakes(phase, plan);
  }
  for (const [name, range] of Object.entries(plan.named)) {
    const buffer = plan.buffers[range.buffer];
    if (!buffer || range.offset + range.size > buffer.size) {
      throw new PlanError(`Plan is invalid: ${name} does not lie inside buffer ${range.buffer}`, { name });
    }
    if (buffer.role === "slot") {
      throw new PlanError(`Plan is invalid: ${name} must persist but lies in a slot`, { name });
    }
  }
}

/** Whether two ranges share bytes of one buffer. */
function overlap(a: BufferRange, b: BufferRange): boolean {
  return a.buffer === b.buffer && a.offset < b.offset + b.size && b.offset < a.offset + a.size;
}

/**
 * Tensors made once more must come from what the first ones came from: the same tensors, or remade ones of them, and
 * persistent buffers that nobody wrote to in between. What was made together with the first ones may stand for sources.
 */
function verifyRemakes(phase: string, plan: Plan): void {
  const dispatches = plan.phases[phase];
  const first = new Map(dispatches.flatMap((d) => d.remakes.map((r) => [r.tenant, r.of] as const)));
  if (first.size === 0) return;
  const sources = new Map<string, string[][]>();
  const madeWith = new Map<string, Set<string>>();
  const writes: BufferRange[] = [];
  const contents = (range: BufferRange, tenant: string) => {
    const name = first.get(tenant) ?? tenant;
    if (plan.buffers[range.buffer].role === "slot") return name;
    return `${name} after ${writes.filter((w) => overlap(w, range)).length} writes`;
  };
  dispatches.forEach(({ bindings, access, tenants, overwrites }) => {
    const of = (wanted: "read" | "read_write") =>
      bindings.map((range, i) => ({ range, tenant: tenants[i] })).filter((_, i) => access[i] === wanted);
    const written = of("read_write");
    const replaced = overwrites.filter((o) => written.some(({ range }) => range.buffer === o.buffer));
    const read = of("read").map(({ range, tenant }) => contents(range, tenant));
    const from = [...read, ...replaced.map((o) => first.get(o.input) ?? o.input)].sort();
    writes.push(...written.map(({ range }) => range));
    const together = written.map(({ range, tenant }) => contents(range, tenant));
    for (const { tenant } of written) {
      sources.set(tenant, [...(sources.get(tenant) ?? []), from]);
      madeWith.set(tenant, new Set([...(madeWith.get(tenant) ?? []), ...together]));
    }
  });
  for (const [tenant, of] of first) {
    const [found, wanted] = [tenant, of].map((name) => sources.get(name) ?? []);
    const same = found.length > 0 && found.length === wanted.length &&
      found.every((names, i) => {
        const own = names.filter((name) => !madeWith.get(of)!.has(name));
        return own.length === names.length
          ? names.join() === wanted[i].join()
          : own.every((name) => wanted[i].includes(name));
      });
    if (same) continue;
    const text = (made: string[][]) => made.map((names) => names.join(", ")).join("; ") || "nothing";
    throw new PlanError(
      `Plan is invalid: phase ${phase}: ${tenant} is made from ${text(found)}, but ${of} from ${
        text(wanted)
      }`,
      { phase, tenant },
    );
  }
}
