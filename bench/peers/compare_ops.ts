/** Times one operation of several libraries: first that all compute the same, then in turns. */
import { median } from "../record.ts";
import type { ConvOp } from "./conv_library.ts";

/** An operation of a library, or why it is not offered. */
export interface Contender {
  readonly library: string;
  readonly op: ConvOp | string;
}

/** What one library needed. */
export interface OpTiming {
  readonly library: string;
  /** Milliseconds of one run in each sample; none when its result is wrong. */
  readonly times: readonly number[];
  /** Runs of one sample, waited for once. */
  readonly runsPerSample: number;
  /** Largest difference from what is right, as a share of the largest value: the first library's from the check, the others' from it. */
  readonly difference: number;
}

/** The first library computes something else than it should. */
export class DisagreementError extends Error {
  override name = "DisagreementError";
}

/** Largest difference that is accepted, as a share of the largest value. */
export const TOLERANCE = 1e-3;
/** Milliseconds that a sample should last, so that what waiting costs (10 ms in Deno) does not count. */
const SAMPLE_MS = 200;
/** Milliseconds of one run after which a single sample is taken. */
const LONG_MS = 3000;

/** Largest difference of two tensors as a share of the largest value of the first; 1 for another length or NaN. */
export function relativeDifference(wanted: Float32Array, found: Float32Array): number {
  if (wanted.length !== found.length) return 1;
  let size = 0, worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    size = Math.max(size, Math.abs(wanted[i]));
    const difference = Math.abs(wanted[i] - found[i]);
    if (!Number.isFinite(difference)) return 1;
    worst = Math.max(worst, difference);
  }
  return size > 0 ? worst / size : 1;
}

/**
 * Reads one result of each library, which compiles and warms up, and compares it with the first one's. Then takes samples in
 * turns: every library once, then those that are not slow again, up to `rounds`. A library with another result is not timed.
 *
 * @param check how far the first library's result is from what it should be, as a share of the largest value
 * @throws {DisagreementError} when that is too far
 */
export async function compareOps(
  contenders: readonly Contender[],
  rounds: number,
  check: (result: Float32Array) => number,
): Promise<OpTiming[]> {
  const entries = [];
  let wanted: Float32Array | null = null;
  for (const { library, op } of contenders) {
    if (typeof op === "string") continue;
    const found = await op.result();
    const difference = wanted === null ? check(found) : relativeDifference(wanted, found);
    if (wanted === null && !(difference <= TOLERANCE)) {
      throw new DisagreementError(
        `Cannot compare with ${library}: it is off by ${
          difference.toExponential(1)
        } of the largest value, wanted ${TOLERANCE} or less`,
      );
    }
    wanted ??= found;
    const samples = difference <= TOLERANCE ? rounds : 0;
    entries.push({ library, op, difference, samples, times: [] as number[], runsPerSample: 0 });
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) {
      if (entry.times.length >= entry.samples) continue;
      if (round === 0) {
        const { runs, ms } = await runsOfSample(entry.op);
        entry.runsPerSample = runs;
        entry.times.push(ms / runs);
        if (ms / runs > LONG_MS) entry.samples = 1;
      } else {
        entry.times.push(await sampleMs(entry.op, entry.runsPerSample) / entry.runsPerSample);
      }
    }
  }
  return entries.map(({ library, times, runsPerSample, difference }) => ({
    library,
    times,
    runsPerSample,
    difference,
  }));
}

/** Middle time of one run, milliseconds. */
export function medianMs({ times }: OpTiming): number {
  return median(times);
}

async function sampleMs(op: ConvOp, runs: number): Promise<number> {
  const started = performance.now();
  await op.run(runs);
  return performance.now() - started;
}

/** Runs that make a sample long enough, found by trying, and the last try's time. */
async function runsOfSample(op: ConvOp): Promise<{ runs: number; ms: number }> {
  let runs = 1;
  for (;;) {
    const ms = await sampleMs(op, runs);
    const next = Math.min(
      op.mostRuns,
      Math.max(runs * 2, Math.ceil(runs * SAMPLE_MS / ms)),
    );
    if (ms >= SAMPLE_MS / 2 || next <= runs) return { runs, ms };
    runs = Math.min(next, runs * 16);
  }
}
