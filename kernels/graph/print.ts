/** Plans as text: a summary line, a table by operation, and every dispatch on demand. */
import { formatBytes } from "../errors.ts";
import type { Plan } from "../spec.ts";

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

/** A table of a phase by operation: applications, dispatches, FLOP and share of the phase's FLOP. */
export function planByOperation(
  plan: Plan,
  phase: string,
): { op: string; dispatches: number; flop: number; bytes: number }[] {
  const rows = new Map<string, { op: string; dispatches: number; flop: number; bytes: number }>();
  for (const d of plan.phases[phase]) {
    const row = rows.get(d.op) ?? { op: d.op, dispatches: 0, flop: 0, bytes: 0 };
    row.dispatches++;
    row.flop += d.cost.flop;
    row.bytes += d.cost.bytesRead + d.cost.bytesWritten;
    rows.set(d.op, row);
  }
  return [...rows.values()].sort((a, b) => b.flop - a.flop || b.bytes - a.bytes);
}

/** Every dispatch of a phase, one line each: number, node, kernel, buffers, workgroups. */
export function printPhase(plan: Plan, phase: string): string {
  return plan.phases[phase].map((d, i) => {
    const bound = d.bindings.map((b, k) => `${d.access[k] === "read" ? "" : ">"}${b.buffer}`).join(" ");
    return `${String(i).padStart(4)} ${d.node} | ${d.label} | [${bound}] | ${d.workgroups.join("x")} | ${
      formatFlop(d.cost.flop)
    }`;
  }).join("\n");
}

/** The phase's dispatches as a mermaid flowchart of tensors between nodes. */
export function mermaidPhase(plan: Plan, phase: string): string {
  const lines = ["flowchart TD"];
  const writer = new Map<string, number>();
  plan.phases[phase].forEach((d, i) => {
    lines.push(`  d${i}["${d.label}"]`);
    const sources = new Set<number>();
    d.tenants.forEach((tenant, k) => {
      if (d.access[k] === "read" && writer.has(tenant)) sources.add(writer.get(tenant)!);
    });
    for (const s of sources) lines.push(`  d${s} --> d${i}`);
    d.tenants.forEach((tenant, k) => {
      if (d.access[k] === "read_write") writer.set(tenant, i);
    });
  });
  return lines.join("\n");
}
