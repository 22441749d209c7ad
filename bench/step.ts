/** Times whole training steps of a run preset, and where their time goes. */
import type { LoadedPatch } from "../data/load_sample.ts";
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import { elementCount } from "../kernels/spec.ts";
import { runPresets } from "../train/presets.ts";
import { resolveRunConfig } from "../train/resolve_config.ts";
import { PretrainSession } from "../train/session.ts";
import type { Clock } from "./clock.ts";
import { contents } from "./data.ts";
import { toRecord } from "./kernels.ts";
import { type BenchRecord, type MachineFacts, median } from "./record.ts";
import type { Roofline } from "./roofline.ts";

/** What {@link benchStep} needs. */
export interface StepBenchOptions {
  readonly preset: string;
  /** Parsed configuration file whose keys win over the preset's, and its name. */
  readonly file?: unknown;
  readonly fileName?: string;
  /** Parsed tuning table. */
  readonly tuning?: unknown;
  readonly adapter: AdapterChoice;
  readonly clock: Clock;
  readonly roofline: Roofline;
  readonly machine: MachineFacts;
  readonly emit: (record: BenchRecord) => void;
  readonly note: (text: string) => void;
}

const LEAST_STEPS = 3;
const MOST_STEPS = 30;
/** Milliseconds of timed steps, unless three of them take longer. */
const MEASURE_MS = 8000;

/** Steps of a preset on random patches, each waited for; then one profiled step, summed by operation. */
export async function benchStep(options: StepBenchOptions): Promise<void> {
  const { preset, file, fileName, tuning, clock, emit, note } = options;
  if (!Object.hasOwn(runPresets, preset)) {
    throw new Error(`Cannot find run preset ${preset}: choose one of ${Object.keys(runPresets).join(", ")}`);
  }
  const config = resolveRunConfig({ preset, file, fileName, flags: { tuning } });
  using session = await PretrainSession.create(config, options.adapter);
  session.initialise();
  const { built: { cropSize }, executor, plan } = session;
  const { size, micro } = config.batch;
  const patches = Array.from({ length: size }, (_, sampleIndex): LoadedPatch => ({
    step: 0,
    sampleIndex,
    caseId: "noise",
    start: [0, 0, 0],
    patch: contents("noise", elementCount(cropSize), sampleIndex),
  }));
  const replays = size / micro;
  const dispatches = replays * (plan.phases.augment.length + plan.phases.micro.length) +
    plan.phases.update.length;
  const times: number[] = [];
  const submits: number[] = [];
  const step = async (number: number) => {
    const started = performance.now();
    session.trainStep(number, 1e-4, patches);
    submits.push(performance.now() - started);
    await executor.finish();
    times.push(performance.now() - started);
  };
  await step(0); // pipelines are compiled at their first use
  times.length = submits.length = 0;
  const total = () => times.reduce((sum, t) => sum + t, 0);
  for (let i = 1; i <= MOST_STEPS && (i <= LEAST_STEPS || total() < MEASURE_MS); i++) await step(i);
  const flop = replays * (plan.report.phases.augment.flop + plan.report.phases.micro.flop) +
    plan.report.phases.update.flop;
  const bytes = replays * (plan.report.phases.augment.bytes + plan.report.phases.micro.bytes) +
    plan.report.phases.update.bytes;
  const shape = [
    `${preset} ${config.patch.join("x")} batch ${size}`,
    ...(micro === 1 ? [] : [`micro ${micro}`]),
    ...(config.precision === "f32" ? [] : [config.precision]),
    ...(config.tuning === null ? [] : ["tuned"]),
  ].join(" ");
  const { clock: _, ...whole } = toRecord({ op: "step", shape, times, cost: { flop, bytes } }, options);
  emit({ ...whole, clock: "wall", peakBytes: plan.report.peakBytes });
  note(
    `a step has ${dispatches} dispatches; the host is back after ${median(submits).toFixed(1)} ms ` +
      "(masks, augmentation, copies, submission; software drivers compute inside the submission)",
  );
  const byOp = new Map<string, { ms: number; flop: number; bytes: number }>();
  for (const [phase, count] of [["augment", replays], ["micro", replays], ["update", 1]] as const) {
    for (const { op, ms, cost } of await executor.profile(phase, clock)) {
      const before = byOp.get(op) ?? { ms: 0, flop: 0, bytes: 0 };
      byOp.set(op, {
        ms: before.ms + count * ms,
        flop: before.flop + count * cost.flop,
        bytes: before.bytes + count * (cost.bytesRead + cost.bytesWritten),
      });
    }
  }
  for (const [op, { ms, flop, bytes }] of [...byOp].sort(([, a], [, b]) => b.ms - a.ms)) {
    emit(toRecord({ op: `step/${op}`, shape, times: [ms], cost: { flop, bytes } }, options));
  }
}
