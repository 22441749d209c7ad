import { formatBytes, LimitError } from "../kernels/errors.ts";
import { compile } from "../kernels/graph/plan.ts";
import { formatFlop } from "../kernels/graph/print.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import { type AdapterChoice, adapterFacts, requestAdapter } from "../kernels/runtime/device.ts";
import type { DeviceFacts, Dispatch, Plan } from "../kernels/spec.ts";
import { downsampling } from "../model/config.ts";
import { parameterCount } from "../model/parameters.ts";
import type { RunConfig } from "./config.ts";
import { type Precision, resolvePrecision } from "./precision.ts";
import { buildPretrainGraph, maeConfig } from "./step.ts";

/** Multiply-adds of the convolutions of one part of the network, one micro-batch. */
export interface MacRow {
  readonly part: string;
  readonly forward: number;
  /** Forward, input gradient and weight gradient. */
  readonly training: number;
}

/** What a run would need. Memory in bytes. */
export interface PlanDescription {
  readonly fits: boolean;
  /** Why it does not fit; null when it does. */
  readonly refusal: string | null;
  /** Largest cubic patch edge that fits, null when none does or the patch itself fits. */
  readonly largestPatch: number | null;
  readonly adapter: string;
  readonly precision: Precision;
  readonly patch: readonly number[];
  readonly microBatch: number;
  readonly parameters: number;
  readonly peakBytes: number;
  readonly persistentBytes: number;
  readonly transientBytes: number;
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
  const { graph, phases } = buildPretrainGraph(config);
  const boundless = { ...facts, maxBinding: 2 ** 40, maxBuffer: 2 ** 40 };
  const plan = compile(graph, { device: boundless, phases });
  verifyPlan(plan, boundless);
  const refusal = refusalOf(config, facts);
  const largestPatch = refusal === null ? null : largestFittingPatch(config, facts);
  const convMacs = macTable(plan);
  const total = (key: "forward" | "training") => convMacs.reduce((sum, row) => sum + row[key], 0);
  const description = {
    fits: refusal === null,
    refusal: refusal === null ? null : `${refusal}${remedy(largestPatch)}`,
    largestPatch,
    adapter: facts.adapter,
    precision: config.precision,
    patch: config.patch,
    microBatch: config.batch.micro,
    parameters: parameterCount(graph),
    peakBytes: plan.report.peakBytes,
    persistentBytes: plan.report.persistentBytes,
    transientBytes: plan.report.transientBytes,
    largestBindingBytes: Math.max(
      ...Object.values(plan.phases).flat().flatMap((d) => d.bindings.map((b) => b.size)),
    ),
    pipelines: plan.report.pipelines,
    phases: plan.report.phases,
    convMacs,
    convMacsForward: total("forward"),
    convMacsTraining: total("training"),
  };
  return { ...description, text: planText(description, plan) };
}

/** Why a configuration does not fit a device, null when it does. */
function refusalOf(config: RunConfig, facts: DeviceFacts): string | null {
  try {
    const { graph, phases } = buildPretrainGraph(config);
    compile(graph, { device: facts, phases });
    return null;
  } catch (error) {
    if (error instanceof LimitError) return error.message.replace(/: use a smaller patch.*$/, "");
    throw error;
  }
}

/**
 * Adds what would fit to an error of a run that is too large for its adapter; other errors come back unchanged.
 */
export function explainLimit(error: unknown, config: RunConfig, facts: DeviceFacts): unknown {
  if (!(error instanceof LimitError)) return error;
  const message = error.message.replace(/: use a smaller patch.*$/, "");
  const largest = largestFittingPatch(resolvePrecision(config, facts), facts);
  return new LimitError(`${message}${remedy(largest)}`, error.details);
}

function remedy(largest: number | null): string {
  return largest === null
    ? ": no patch of this network fits, use a smaller network or another adapter"
    : `: use patch ${largest} or less, or another adapter`;
}

/** Largest cubic patch, below the configured one, that network, block and device allow: needs grow with the edge. */
function largestFittingPatch(config: RunConfig, facts: DeviceFacts): number | null {
  const factor = Math.max(...downsampling(maeConfig(config).network).at(-1)!);
  const step = leastCommonMultiple(factor, config.mask.block);
  let tooSmall = 0;
  let tooLarge = Math.ceil(Math.max(...config.patch) / step);
  let best: number | null = null;
  while (tooLarge - tooSmall > 1) {
    const middle = Math.floor((tooSmall + tooLarge) / 2);
    const edge = middle * step;
    try {
      if (refusalOf({ ...config, patch: [edge, edge, edge] }, facts) !== null) {
        tooLarge = middle;
        continue;
      }
      best = edge;
    } catch {
      // below what the loss can take: look among the larger ones
    }
    tooSmall = middle;
  }
  return best;
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return a * b / x;
}

/** Multiply-adds by part of the network; forward from the evaluation, training from the micro-step. */
function macTable(plan: Plan): readonly MacRow[] {
  const rows = new Map<string, { forward: number; training: number }>();
  const add = (dispatches: readonly Dispatch[], key: "forward" | "training") => {
    for (const d of dispatches) {
      if (!CONVOLUTION.test(d.op) || d.cost.flop === 0) continue;
      const part = partOf(d.node);
      const row = rows.get(part) ?? { forward: 0, training: 0 };
      row[key] += d.cost.flop / 2;
      rows.set(part, row);
    }
  };
  add(plan.phases.evaluate, "forward");
  add(plan.phases.micro, "training");
  return [...rows].map(([part, row]) => ({ part, ...row }));
}

/** Part of the network that a node's scope belongs to. */
function partOf(node: string): string {
  const encoder = node.match(/encoder\.(stem|stages\.\d+)/);
  if (encoder) return `encoder ${encoder[1].replace("stages.", "stage ")}`;
  const decoder = node.match(/decoder\.(transpconvs|stages|seg_layers)\.(\d+)/);
  if (decoder) {
    return decoder[1] === "seg_layers"
      ? `head ${decoder[2]}`
      : `decoder ${decoder[2]}${decoder[1] === "stages" ? "" : " transposed"}`;
  }
  const densify = node.match(/densify_projs\.(\d+)/);
  return densify ? `densification ${densify[1]}` : "other";
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
    })`,
    `largest binding ${formatBytes(d.largestBindingBytes)}; ${d.pipelines} pipelines`,
    d.refusal ?? "fits this adapter",
  ];
  return lines.join("\n");
}
