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
  /** Milliseconds of one run in each sample. */
  readonly times: readonly number[];
  /** Runs of one sample, waited for once. */
  readonly runsPerSample: number;
  /** Largest difference from the first library's result, as a share of its largest value. */
  readonly difference: number;
}

/** A library that computes something else than ours. */
export class DisagreementError extends Error {
  override name = "DisagreementError";
}

/** Largest difference that is accepted, as a share of the largest value. */
const TOLERANCE = 1e-3;
/** Milliseconds that a sample should last, so that what waiting costs (10 ms in Deno) does not count. */
const SAMPLE_MS = 200;
/** Milliseconds of one run after which a single sample is taken. */
const LONG_MS = 3000;

/** Largest difference of two tensors as a share of the largest value of the first; 1 for another length or NaN. */
export function relativeDifference(
  wanted: Float32Array,
  found: Float32Array,
): number {
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
 * turns: every library once, then those that are not slow again, up to `rounds`.
 *
 * @throws {DisagreementError} when a library computes something else than the first
 */
export async function compareOps(
  contenders: readonly Contender[],
  rounds: number,
): Promise<OpTiming[]> {
  const running = [];
  let wanted: Float32Array | null = null;
  for (const { library, op } of contenders) {
    if (typeof op === "string") continue;
    const found = await op.result();
    wanted ??= found;
    const difference = relativeDifference(wanted, found);
    if (!(difference <= TOLERANCE)) {
      throw new DisagreementError(
        `Cannot compare ${library}: it differs from ${contenders[0].library} by ${
          difference.toExponential(1)
        } of the largest value, wanted ${TOLERANCE} or less`,
      );
    }
    running.push({
      library,
      op,
      difference,
      times: [] as number[],
      runsPerSample: 1,
      wanted: rounds,
    });
  }
  for (let round = 0; round < rounds; round++) {
    for (const contender of running) {
      if (contender.times.length >= contender.wanted) continue;
      if (round === 0) {
        const { runs, ms } = await runsOfSample(contender.op);
        contender.runsPerSample = runs;
        contender.times.push(ms / runs);
        if (ms / runs > LONG_MS) contender.wanted = 1;
      } else {
        contender.times.push(
          await sampleMs(contender.op, contender.runsPerSample) /
            contender.runsPerSample,
        );
      }
    }
  }
  return running.map(({ library, times, runsPerSample, difference }) => ({
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
