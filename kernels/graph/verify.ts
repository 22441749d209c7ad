/** An independent checker of plans: trusts nothing that the planner decided. */
import { PlanError } from "../errors.ts";
import type { DeviceFacts, Plan } from "../spec.ts";

/**
 * Checks every dispatch of a plan against WebGPU's rules and the plan's own story of who lives where.
 *
 * - buffers and bindings respect the device's limits; bindings lie inside their buffers and are aligned;
 * - no buffer is written twice, or read and written, by one dispatch;
 * - what a dispatch reads from a slot was written earlier in the same phase and not overwritten since, and the same
 *   holds for contents that a dispatch replaces in place.
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
      const use = new Map<number, { written: number; read: number }>();
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
        const entry = use.get(range.buffer) ?? { written: 0, read: 0 };
        if (dispatch.access[i] === "read_write") entry.written++;
        else entry.read++;
        use.set(range.buffer, entry);
        if (entry.written > 1 || (entry.written > 0 && entry.read > 0)) {
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
        if (dispatch.access[i] === "read_write") holder.set(range.buffer, dispatch.tenants[i]);
      });
    });
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
