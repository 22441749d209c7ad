/** Plans as text: a summary line, a table by operation, and every dispatch on demand. */
import { formatBytes, PlanError } from "../errors.ts";
import type { Dispatch, Plan } from "../spec.ts";

/** One line a phase plus one for memory. */
export function summarizePlan(plan: Plan): string {
  const { report } = plan;
  const phases = Object.entries(report.phases).map(([name, p]) =>
    `${name}: ${p.dispatches} dispatches, ${formatFlop(p.flop)}, ideal traffic ${formatBytes(p.bytes)}`
  );
  const memory =
    `memory: ${formatBytes(report.peakBytes)} = ${formatBytes(report.persistentBytes)} persistent + ` +
    `${formatBytes(report.transientBytes)} in ${report.slots} slots (bound ${
      formatBytes(report.transientLowerBoundBytes)
    }, ` +
    `sum of values ${formatBytes(report.transientSumBytes)}); ${report.pipelines} pipelines`;
  return [...phases, memory].join("\n");
}

/** Arithmetic as text, e.g. `4.1 TFLOP`. */
export function formatFlop(flop: number): string {
  const units = ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"];
  let value = flop;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(unit === 0 ? 0 : 2)} ${units[unit]}`;
}

/** A row of {@link planByOperation}: an operation's dispatches, arithmetic and ideal memory traffic in one phase. */
export interface OperationShare {
  readonly op: string;
  readonly dispatches: number;
  readonly flop: number;
  readonly bytes: number;
}

/**
 * A phase by operation, most arithmetic first.
 * @throws {PlanError} when the plan has no such phase
 */
export function planByOperation(plan: Plan, phase: string): OperationShare[] {
  const rows = Map.groupBy(dispatchesOf(plan, phase), (d) => d.op);
  const sum = (dispatches: readonly Dispatch[], figure: (cost: Dispatch["cost"]) => number) =>
    dispatches.reduce((total, d) => total + figure(d.cost), 0);
  return [...rows].map(([op, dispatches]) => ({
    op,
    dispatches: dispatches.length,
    flop: sum(dispatches, (cost) => cost.flop),
    bytes: sum(dispatches, (cost) => cost.bytesRead + cost.bytesWritten),
  })).sort((a, b) => b.flop - a.flop || b.bytes - a.bytes);
}

/**
 * Every dispatch of a phase, one line each: number, node, kernel, buffers (written ones after `>`), workgroups, FLOP.
 * @throws {PlanError} when the plan has no such phase
 */
export function printPhase(plan: Plan, phase: string): string {
  return dispatchesOf(plan, phase).map((d, i) => {
    const bound = d.bindings.map((b, k) => `${d.access[k] === "read" ? "" : ">"}${b.buffer}`).join(" ");
    return `${String(i).padStart(4)} ${d.node} | ${d.label} | [${bound}] | ${d.workgroups.join("x")} | ${
      formatFlop(d.cost.flop)
    }`;
  }).join("\n");
}

/**
 * The phase's dispatches as a mermaid flowchart; an arrow leads from the dispatch that last wrote a tensor to each one that
 * reads it or replaces it in place.
 * @throws {PlanError} when the plan has no such phase
 */
export function mermaidPhase(plan: Plan, phase: string): string {
  const lines = ["flowchart TD"];
  const writer = new Map<string, number>();
  dispatchesOf(plan, phase).forEach((d, i) => {
    lines.push(`  d${i}["${d.label.replaceAll('"', "'")}"]`);
    const read = [
      ...d.tenants.filter((_, k) => d.access[k] === "read"),
      ...d.overwrites.map((o) => o.input),
    ];
    const sources = new Set(read.map((tenant) => writer.get(tenant)).filter((s) => s !== undefined));
    for (const s of sources) lines.push(`  d${s} --> d${i}`);
    d.tenants.forEach((tenant, k) => {
      if (d.access[k] === "read_write") writer.set(tenant, i);
    });
  });
  return lines.join("\n");
}

function dispatchesOf(plan: Plan, phase: string): readonly Dispatch[] {
  const dispatches = plan.phases[phase];
  if (!dispatches) {
    throw new PlanError(`Cannot print phase ${phase}: the plan has ${Object.keys(plan.phases).join(", ")}`, {
      phase,
    });
  }
  return dispatches;
}
