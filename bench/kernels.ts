/** Benchmarks every operation: validation on a small shape, then times at real shapes within a budget. */
import { LimitError } from "../kernels/errors.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { type BenchCase, buildCase, type CaseFamily } from "./case.ts";
import { families } from "./cases.ts";
import type { Clock } from "./clock.ts";
import { type BenchRecord, type Bound, type MachineFacts, median } from "./record.ts";
import type { Roofline } from "./roofline.ts";
import { leastRuns, type OpTimes, timeOps } from "./time_case.ts";
import { validateCase, ValidationError } from "./validate.ts";

/** What {@link benchKernels} needs. */
export interface KernelBenchOptions {
  readonly gpu: Gpu;
  readonly clock: Clock;
  readonly roofline: Roofline;
  readonly machine: MachineFacts;
  /** Only families with an operation whose name contains this text. */
  readonly only: string | null;
  /** Seconds for everything; null runs every case that fits the adapter. */
  readonly budgetSeconds: number | null;
  readonly emit: (record: BenchRecord) => void;
  /** Why a case was not run. */
  readonly note: (text: string) => void;
}

/** Milliseconds of measuring a case, when one run is short. */
const MEASURE_MS = 400;

/**
 * Runs the benchmark.
 *
 * @returns whether every operation agreed with its reference
 */
export async function benchKernels(options: KernelBenchOptions): Promise<boolean> {
  const { only, budgetSeconds, note } = options;
  const chosen = familiesWith(only);
  const deadline = budgetSeconds === null ? Infinity : performance.now() + budgetSeconds * 1000;
  const slowness = new Map<string, number>();
  let valid = true;
  for (const [i, family] of chosen.entries()) {
    try {
      for (const small of family.small) await validateCase(options.gpu, small);
    } catch (error) {
      if (error instanceof LimitError) {
        note(`${family.name}: ${error.message}`);
        continue;
      }
      valid = false;
      note(`${family.name} is not timed: ${error instanceof ValidationError ? error.message : error}`);
      continue;
    }
    // families that need less than their share leave the rest to those that follow
    const share = Math.min(1, 2.5 / (chosen.length - i)) * (deadline - performance.now());
    await benchFamily(options, family, share, slowness);
  }
  return valid;
}

/** Families with an operation whose name contains a text. @throws {Error} listing all operations when there is none */
export function familiesWith(text: string | null): readonly CaseFamily[] {
  const chosen = families.filter((f) => text === null || operationsOf(f).some((op) => matches(op, text)));
  if (chosen.length > 0) return chosen;
  const names = [...new Set(families.flatMap(operationsOf))].sort().join(", ");
  throw new Error(`Cannot find an operation with ${text} in its name: there are ${names}`);
}

/** Names of the operations of a family: the forward one and those of its backward. */
export function operationsOf(family: CaseFamily): string[] {
  return family.small.flatMap((small) => [...buildCase(small).costs.keys()]);
}

function matches(op: string, text: string): boolean {
  return op.toLowerCase().includes(text.toLowerCase());
}

/**
 * Times the cases of a family that are predicted to fit its share of the time; the cheapest one always when its operation has
 * not been timed yet.
 *
 * @param slowness measured time over the least time that the peaks allow, by operation, of the latest case; updated
 */
async function benchFamily(
  options: KernelBenchOptions,
  family: CaseFamily,
  shareMs: number,
  slowness: Map<string, number>,
): Promise<void> {
  const { gpu, clock, roofline, only, emit, note } = options;
  const until = performance.now() + shareMs;
  for (const benchCase of family.cases) {
    const known = slowness.get(benchCase.op.name);
    const { costs } = buildCase(benchCase);
    const ideal = [...costs.values()].reduce((sum, cost) => sum + idealMs(cost, roofline), 0);
    const once = ideal * (known ?? 1);
    const predicted = once * (1 + leastRuns(once)); // the first run warms up
    if (known !== undefined && performance.now() + predicted > until) {
      note(
        `${family.name} ${benchCase.shape} is not run: would take about ${(predicted / 1000).toFixed(0)} s ` +
          `(--full runs it, --op ${benchCase.op.name} gives it more time)`,
      );
      continue;
    }
    let measured: OpTimes[];
    try {
      measured = await timeOps(gpu, benchCase, clock, { forMs: MEASURE_MS });
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      note(`${family.name} ${benchCase.shape} does not fit: ${error.message}`);
      continue;
    }
    slowness.set(benchCase.op.name, measured.reduce((sum, m) => sum + Math.min(...m.times), 0) / ideal);
    for (const m of measured) {
      if (isHelper(m.op, benchCase) || (only !== null && !matches(m.op, only))) continue;
      emit(toRecord(m, options));
    }
  }
}

/** Whether an operation of a case's backward has a family of its own, which times it alone. */
function isHelper(op: string, benchCase: BenchCase): boolean {
  return op !== benchCase.op.name && families.some((f) => f.small[0].op.name === op);
}

/** Least time that the peaks allow, milliseconds. */
function idealMs(cost: { flop: number; bytes: number }, { gflops, gbps }: Roofline): number {
  return Math.max(cost.flop / gflops, cost.bytes / gbps) / 1e6;
}

/** Times of one operation as a record. */
export function toRecord(
  { op, shape, times, cost }: OpTimes,
  { machine, clock, roofline }: Pick<KernelBenchOptions, "machine" | "clock" | "roofline">,
): BenchRecord {
  const medianMs = median(times);
  const per = (amount: number) => amount > 0 && medianMs > 0 ? amount / medianMs / 1e6 : null;
  const bound: Bound = cost.flop / roofline.gflops >= cost.bytes / roofline.gbps ? "flop" : "bytes";
  return {
    op,
    shape,
    medianMs,
    minMs: Math.min(...times),
    gflops: per(cost.flop),
    gbps: per(cost.bytes),
    shareOfPeak: medianMs > 0 ? idealMs(cost, roofline) / medianMs : null,
    bound,
    runs: times.length,
    clock,
    ...machine,
  };
}
