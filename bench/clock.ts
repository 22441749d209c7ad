/** Chooses what measures: GPU timestamps where they agree with the host's clock, else the host's clock. */
import { compile } from "../kernels/graph/plan.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import type { ProfileClock } from "../kernels/runtime/profile.ts";
import { buildCase } from "./case.ts";
import { fmaCase } from "./roofline.ts";

/** What measures a dispatch. */
export type Clock = ProfileClock;

/** The choice and the dispatch that it rests on: its timestamps, and the host's time of the same run. */
export interface ClockChoice {
  readonly clock: Clock;
  readonly gpuMs: number | null;
  readonly hostMs: number;
}

/** Milliseconds of the dispatch on which the clocks are compared: far above the 10 ms between two polls of Deno. */
const LONG_MS = 150;
/** Runs that are compared; one pair must agree, because a busy machine delays the host at times. */
const RUNS = 3;

/**
 * Runs a dispatch of about 150 ms and compares its timestamps with the host's time of the same run, which also holds the
 * submission and the poll.
 */
export async function chooseClock(gpu: Gpu): Promise<ClockChoice> {
  let threads = 1 << 14;
  for (;;) {
    const { graph, targets } = buildCase(fmaCase({ threads, iterations: 1024, chains: 4, fused: false }));
    const plan = compile(graph, { device: gpu.facts, phases: { run: targets } });
    using executor = await Executor.create(gpu, plan);
    const timed = async (clock: Clock) => {
      const started = performance.now();
      const [{ ms }] = await executor.profile("run", clock);
      return { ms, wall: performance.now() - started };
    };
    executor.run("run");
    await executor.finish(); // some drivers compile at the first use
    const { ms: hostMs } = await timed("host");
    if (hostMs < LONG_MS / 2 && threads < 1 << 26) {
      threads *= 2 ** Math.max(1, Math.min(6, Math.round(Math.log2(LONG_MS / Math.max(hostMs, 1)))));
      continue;
    }
    if (!gpu.facts.timestamps) return { clock: "host", gpuMs: null, hostMs };
    let last = { ms: 0, wall: 0 };
    for (let i = 0; i < RUNS; i++) {
      last = await timed("gpu");
      if (last.ms <= last.wall && last.ms >= 0.6 * last.wall - 20) {
        return { clock: "gpu", gpuMs: last.ms, hostMs: last.wall };
      }
    }
    return { clock: "host", gpuMs: last.ms, hostMs: last.wall };
  }
}
