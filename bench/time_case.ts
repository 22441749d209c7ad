/** Times the operations of one case. */
import { compile } from "../kernels/graph/plan.ts";
import { verifyPlan } from "../kernels/graph/verify.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { type BenchCase, buildCase } from "./case.ts";
import type { Clock } from "./clock.ts";

/** Times of one operation within a case. */
export interface OpTimes {
  readonly op: string;
  readonly shape: string;
  /** Milliseconds of each run. */
  readonly times: readonly number[];
  readonly cost: { readonly flop: number; readonly bytes: number };
}

/** How long to measure: a number of runs, or runs until a time is used up. */
export type Effort = { readonly runs: number } | { readonly forMs: number };

/** Bytes cleared before every run, so that inputs come from memory: more than the caches of most devices. */
const FLUSH_BYTES = 64 * 2 ** 20;
const LEAST_RUNS = 3;
/** Milliseconds after which one run is enough. */
const LONG_MS = 3000;
const MOST_RUNS = 30;

/** Runs a case once to warm up, then several times. @returns the forward operation first, then those of its backward */
export async function timeOps(
  gpu: Gpu,
  benchCase: BenchCase,
  clock: Clock,
  effort: Effort,
): Promise<OpTimes[]> {
  const built = buildCase(benchCase);
  const plan = compile(built.graph, { device: gpu.facts, phases: { run: built.targets } });
  verifyPlan(plan, gpu.facts);
  using executor = await Executor.create(gpu, plan);
  for (const [value, data] of built.feeds) executor.write(value.name, data());
  const flush = gpu.device.createBuffer({
    label: "flush",
    size: Math.min(FLUSH_BYTES, gpu.facts.maxBuffer),
    usage: GPUBufferUsage.COPY_DST,
  });
  try {
    const times = new Map([...built.costs.keys()].map((op) => [op, [] as number[]]));
    let spent = 0;
    const measure = async () => {
      const encoder = gpu.device.createCommandEncoder();
      encoder.clearBuffer(flush);
      gpu.device.queue.submit([encoder.finish()]);
      const started = performance.now();
      const dispatches = await executor.profile("run", clock);
      spent += performance.now() - started;
      for (const [op, runs] of times) {
        runs.push(dispatches.filter((d) => d.op === op).reduce((sum, d) => sum + d.ms, 0));
      }
    };
    executor.run("run");
    await executor.finish();
    const enough = (runs: number) =>
      "runs" in effort
        ? runs >= effort.runs
        : runs >= MOST_RUNS || spent >= effort.forMs && runs >= leastRuns(spent / Math.max(1, runs));
    for (let runs = 0; !enough(runs); runs++) await measure();
    return [...times].map(([op, runs]) => ({
      op,
      shape: benchCase.shape,
      times: runs,
      cost: built.costs.get(op)!,
    }));
  } finally {
    flush.destroy();
  }
}

/** Fewest runs of a case that takes so long once. */
export function leastRuns(ms: number): number {
  return ms > LONG_MS ? 1 : LEAST_RUNS;
}

/** Times a case of a single operation. */
export async function timeCase(
  gpu: Gpu,
  benchCase: BenchCase,
  clock: Clock,
  effort: Effort,
): Promise<OpTimes> {
  return (await timeOps(gpu, benchCase, clock, effort))[0];
}
