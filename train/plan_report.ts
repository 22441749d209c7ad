import { formatBytes, LimitError } from "../kernels/errors.ts";
import { memoryAtPeak, type PeakMemory } from "../kernels/graph/peak.ts";
import { formatFlop } from "../kernels/graph/print.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import { type AdapterChoice, adapterFacts, requestAdapter } from "../kernels/runtime/device.ts";
import type { DeviceFacts, Dispatch, Plan } from "../kernels/spec.ts";
import { cellCount } from "../kernels/ops/blocks/table.ts";
import type { EncoderLayout } from "../model/masking.ts";
import { parameterCount } from "../model/parameters.ts";
import { compileRun } from "./compile_run.ts";
import type { RunConfig } from "./config.ts";
import { largestFit, remedy, resizablePretraining, withoutRemedy } from "./largest_fit.ts";
import { networkPart } from "./network_part.ts";
import { type Precision, resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, type PretrainGraph } from "./step.ts";

/** Multiply-adds of the convolutions of one part of the network, one micro-batch. */
export interface MacRow {
  readonly part: string;
  readonly forward: number;
  /** Forward, input gradient and weight gradient. */
  readonly training: number;
}

/** Tensors of one kind that are alive when transient memory peaks. */
export interface PeakRow {
  readonly part: string;
  readonly op: string;
  readonly tensors: number;
  readonly bytes: number;
}

/** What a run would need with its encoder's activations stored in another way. Memory in bytes. */
export interface LayoutFigures {
  readonly layout: EncoderLayout;
  readonly peakBytes: number;
  readonly transientBytes: number;
  readonly convMacsTraining: number;
}

/** What a run would need. Memory in bytes. */
export interface PlanDescription {
  readonly fits: boolean;
  /** Why it does not fit; null when it does. */
  readonly refusal: string | null;
  /** Largest cubic patch edge that fits, null when none does or the run itself fits. */
  readonly largestPatch: number | null;
  /** Largest smaller micro-batch that fits with this patch, null when none does or the run itself fits. */
  readonly largestMicroBatch: number | null;
  readonly adapter: string;
  readonly precision: Precision;
  /** How the encoder stores its activations, and room for how many of the grid's blocks a sample. */
  readonly layout: EncoderLayout;
  readonly keptBlocks: number;
  readonly gridBlocks: number;
  /** The sparse encoder's other layout; null for a dense encoder, which has one only. */
  readonly otherLayout: LayoutFigures | null;
  readonly patch: readonly number[];
  readonly microBatch: number;
  readonly parameters: number;
  readonly peakBytes: number;
  readonly persistentBytes: number;
  readonly transientBytes: number;
  /** Dispatches that compute again what was not kept, of all phases. */
  readonly recomputed: number;
  /** What is alive when transient memory peaks, by part of the network and operation, most bytes first. */
  readonly peak: readonly PeakRow[];
  readonly largestBindingBytes: number;
  readonly pipelines: number;
  readonly phases: Plan["report"]["phases"];
  readonly convMacs: readonly MacRow[];
  readonly convMacsForward: number;
  readonly convMacsTraining: number;
  /** All of it as text. */
  readonly text: string;
}

/** Operations whose arithmetic counts as convolution. */
const CONVOLUTION = /^conv(Transpose)?3d/;

/**
 * Plans a run for an adapter without opening a device or allocating anything.
 *
 * @throws {DeviceError} when there is no adapter; {ConfigError | ShapeError} when network, patch and block do not fit together
 */
export async function describePlan(
  request: { config: RunConfig; adapter?: AdapterChoice },
): Promise<PlanDescription> {
  const facts = adapterFacts(await requestAdapter({ adapter: request.adapter ?? "auto" }));
  return describePlanFor(request.config, facts);
}

/** As {@linkcode describePlan}, for known device facts. */
export function describePlanFor(request: RunConfig, facts: DeviceFacts): PlanDescription {
  const config = resolvePrecision(request, facts);
  const built = buildPretrainGraph(config);
  const { plan, refusal } = planOrRefusal(built, config, facts);
  const run = resizablePretraining(config, facts);
  const fit = refusal === null ? null : largestFit(run);
  const convMacs = macTable(plan);
  const description = {
    fits: refusal === null,
    refusal: fit && `${refusal}${remedy(fit, run)}`,
    largestPatch: fit?.patch ?? null,
    largestMicroBatch: fit?.microBatch ?? null,
    adapter: facts.adapter,
    precision: config.precision,
    layout: built.layout,
    keptBlocks: built.blocks.kept,
    gridBlocks: cellCount(built.blocks.grid),
    otherLayout: config.network.kind === "mae" ? null : otherLayout(built.layout, config, facts),
    patch: config.patch,
    microBatch: config.batch.micro,
    parameters: parameterCount(built.graph),
    peakBytes: plan.report.peakBytes,
    persistentBytes: plan.report.persistentBytes,
    transientBytes: plan.report.transientBytes,
    recomputed: Object.values(plan.phases).flat().filter((d) => d.remakes.length > 0).length,
    peak: peakTable(memoryAtPeak(plan)),
    largestBindingBytes: Math.max(
      ...Object.values(plan.phases).flat().flatMap((d) => d.bindings.map((b) => b.size)),
    ),
    pipelines: plan.report.pipelines,
    phases: plan.report.phases,
    convMacs,
    convMacsForward: totalMacs(convMacs, "forward"),
    convMacsTraining: totalMacs(convMacs, "training"),
  };
  return { ...description, text: planText(description, plan) };
}

function totalMacs(rows: readonly MacRow[], key: "forward" | "training"): number {
  return rows.reduce((sum, row) => sum + row[key], 0);
}

/** Figures of the layout that a run does not have. */
function otherLayout(layout: EncoderLayout, config: RunConfig, facts: DeviceFacts): LayoutFigures {
  const other = { ...config, layout: layout === "blocks" ? "dense-masked" as const : "blocks" as const };
  const { plan } = planOrRefusal(buildPretrainGraph(other), other, facts);
  const { peakBytes, transientBytes } = plan.report;
  const convMacsTraining = totalMacs(macTable(plan), "training");
  return { layout: other.layout, peakBytes, transientBytes, convMacsTraining };
}

/** The plan of a run; of one that does not fit, the plan that a device without limits would get, and why it does not. */
function planOrRefusal(
  built: PretrainGraph,
  config: RunConfig,
  facts: DeviceFacts,
): { plan: Plan; refusal: string | null } {
  try {
    const plan = compileRun(built, config, facts);
    verifyPlan(plan, facts);
    return { plan, refusal: null };
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    const boundless = { ...facts, maxBinding: 2 ** 40, maxBuffer: 2 ** 40 };
    const { limit, recompute } = config.memory;
    const most = limit !== null && recompute === "auto" ? "all" : recompute;
    const plan = compileRun(built, { ...config, memory: { limit: null, recompute: most } }, boundless);
    verifyPlan(plan, boundless);
    return { plan, refusal: withoutRemedy(error) };
  }
}

/** What is alive at the peak, by part of the network and operation. */
function peakTable(peak: PeakMemory | null): readonly PeakRow[] {
  const groups = Map.groupBy(peak?.alive ?? [], ({ node, op }) => `${networkPart(node)}|${op}`);
  return [...groups].map(([key, alive]) => {
    const [part, op] = key.split("|");
    return { part, op, tensors: alive.length, bytes: alive.reduce((sum, t) => sum + t.bytes, 0) };
  }).sort((a, b) => b.bytes - a.bytes);
}

/** The rows of {@linkcode PlanDescription.peak} as text. */
export function peakText({ peak, transientBytes }: PlanDescription): string {
  const row = (bytes: number, tensors: number, what: string) =>
    `  ${formatBytes(bytes).padStart(10)} ${String(tensors).padStart(7)}  ${what}`;
  const large = peak.filter(({ bytes }) => bytes >= transientBytes / 200);
  const rows = large.map(({ part, op, tensors, bytes }) => row(bytes, tensors, `${part}: ${op}`));
  const rest = peak.filter((r) => !large.includes(r));
  if (rest.length > 0) {
    const sum = (key: "bytes" | "tensors") => rest.reduce((total, r) => total + r[key], 0);
    rows.push(row(sum("bytes"), sum("tensors"), "all others"));
  }
  return [
    `alive when activations take most (${formatBytes(transientBytes)}):`,
    "       bytes tensors",
    ...rows,
  ]
    .join("\n");
}

/** Multiply-adds by part of the network; forward from the evaluation, training from the micro-step. */
function macTable(plan: Plan): readonly MacRow[] {
  const rows = new Map<string, { forward: number; training: number }>();
  const add = (dispatches: readonly Dispatch[], key: "forward" | "training") => {
    for (const d of dispatches) {
      const { flop, added = 0 } = d.cost;
      if (!CONVOLUTION.test(d.op) || flop === 0) continue;
      const part = networkPart(d.node);
      const row = rows.get(part) ?? { forward: 0, training: 0 };
      row[key] += (flop - added) / 2;
      rows.set(part, row);
    }
  };
  add(plan.phases.evaluate, "forward");
  add(plan.phases.micro, "training");
  return [...rows].map(([part, row]) => ({ part, ...row }));
}

function layoutText(
  { layout, keptBlocks, gridBlocks, otherLayout: other }: Omit<PlanDescription, "text">,
): string {
  const own = layout === "blocks" ? `blocks, room for ${keptBlocks} of ${gridBlocks} a sample` : layout;
  return `layout ${own}${
    other === null
      ? ""
      : `; ${other.layout} would take ${formatBytes(other.transientBytes)} of activations and ${
        (other.convMacsTraining / 1e9).toFixed(2)
      } GMAC`
  }`;
}

function planText(d: Omit<PlanDescription, "text">, plan: Plan): string {
  const giga = (macs: number) => (macs / 1e9).toFixed(2).padStart(10);
  const lines = [
    `patch ${d.patch.join("x")}, micro-batch ${d.microBatch}, ${d.precision}, on ${d.adapter}`,
    `parameters ${d.parameters.toLocaleString("en")} (${formatBytes(4 * d.parameters)})`,
    "",
    "convolutions, GMAC a micro-batch     forward   training",
    ...d.convMacs.map((r) => `  ${r.part.padEnd(32)}${giga(r.forward)} ${giga(r.training)}`),
    `  ${"total".padEnd(32)}${giga(d.convMacsForward)} ${giga(d.convMacsTraining)}`,
    "",
    "phase      dispatches   arithmetic   ideal traffic",
    ...Object.entries(d.phases).map(([name, p]) =>
      `  ${name.padEnd(10)}${String(p.dispatches).padStart(8)} ${formatFlop(p.flop).padStart(14)} ${
        formatBytes(p.bytes).padStart(14)
      }`
    ),
    "",
    `memory ${formatBytes(d.peakBytes)} = ${
      formatBytes(d.persistentBytes)
    } weights, gradients, optimiser, inputs + ` +
    `${formatBytes(d.transientBytes)} activations in ${plan.report.slots} slots (bound ${
      formatBytes(plan.report.transientLowerBoundBytes)
    })${d.recomputed === 0 ? "" : `, ${d.recomputed} dispatches recompute`}`,
    layoutText(d),
    `largest binding ${formatBytes(d.largestBindingBytes)}; ${d.pipelines} pipelines`,
    d.refusal ?? "fits this adapter",
  ];
  return lines.join("\n");
}
