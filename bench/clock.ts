/** Chooses what measures: GPU timestamps where they agree with the host's clock, else the host's clock. */
import { compile } from "../kernels/graph/plan.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import type { ProfileClock } from "../kernels/runtime/profile.ts";
import { buildCase } from "./case.ts";
import { fmaCase } from "./roofline.ts";

/** What measures a dispatch. */
export type Clock = ProfileClock;

/** The choice and the times of one long dispatch that it rests on. */
export interface ClockChoice {
  readonly clock: Clock;
  readonly gpuMs: number | null;
  readonly hostMs: number;
}

/** Milliseconds of the dispatch on which the clocks are compared: far above the 10 ms between two polls of Deno. */
const LONG_MS = 150;

/** Runs by either clock; the shortest counts, because a busy machine slows some of them. */
const RUNS = 3;
/** Clocks that differ by more than this factor do not measure the same thing. */
const AGREE = 1.5;

/** Times one dispatch of about 150 ms by both clocks. */
export async function chooseClock(gpu: Gpu): Promise<ClockChoice> {
  let threads = 1 << 14;
  for (;;) {
    const { graph, targets } = buildCase(fmaCase({ threads, iterations: 1024, chains: 4, fused: false }));
    const plan = compile(graph, { device: gpu.facts, phases: { run: targets } });
    using executor = await Executor.create(gpu, plan);
    const shortest = async (clock: Clock) => {
      let ms = Infinity;
      for (let i = 0; i < RUNS; i++) ms = Math.min(ms, (await executor.profile("run", clock))[0].ms);
      return ms;
    };
    executor.run("run");
    await executor.finish(); // some drivers compile at the first use
    const hostMs = await shortest("host");
    if (hostMs < LONG_MS / 2 && threads < 1 << 26) {
      threads *= 2 ** Math.max(1, Math.min(6, Math.round(Math.log2(LONG_MS / Math.max(hostMs, 1)))));
      continue;
    }
    if (!gpu.facts.timestamps) return { clock: "host", gpuMs: null, hostMs };
    const gpuMs = await shortest("gpu");
    const agree = gpuMs > hostMs / AGREE && gpuMs < hostMs * AGREE;
    return { clock: agree ? "gpu" : "host", gpuMs, hostMs };
  }
}
