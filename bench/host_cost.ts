/** The host's cost of replaying a dispatch: encoding, finishing and submitting, without waiting for the device. */
import { Graph } from "../kernels/graph/graph.ts";
import { compile } from "../kernels/graph/plan.ts";
import { leakyRelu } from "../kernels/ops/leaky_relu/op.ts";
import type { Gpu } from "../kernels/runtime/device.ts";
import { Executor } from "../kernels/runtime/executor.ts";
import { tensor } from "../kernels/spec.ts";
import { type BenchRecord, type MachineFacts, median } from "./record.ts";

/** Dispatches of the plan that is replayed. */
const DISPATCHES = 1000;
const WARM_UP = 5;
const RUNS = 30;
/** Microseconds a dispatch that the project allows itself on two CPU cores. */
export const HOST_COST_LIMIT_US = 5;

/** Replays a plan of 1000 dispatches of 64 elements; the device is idle when the clock starts. Software drivers may
 * compute inside the submission, so what they cost counts too. */
export async function hostCost(
  gpu: Gpu,
  machine: MachineFacts,
  note: (text: string) => void,
): Promise<BenchRecord> {
  const graph = new Graph();
  let value = graph.input("x", tensor([64]));
  for (let i = 0; i < DISPATCHES; i++) [value] = graph.apply(leakyRelu, [value], { slope: 0.5 });
  const plan = compile(graph, { device: gpu.facts, phases: { run: [value] } });
  using executor = await Executor.create(gpu, plan);
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + RUNS; i++) {
    const started = performance.now();
    executor.run("run");
    if (i >= WARM_UP) times.push(performance.now() - started);
    await executor.finish();
  }
  const medianMs = median(times);
  const us = (ms: number) => ms * 1000 / plan.phases.run.length;
  const best = us(Math.min(...times));
  note(
    `host: ${best.toFixed(2)} us a dispatch (best of ${RUNS} replays of ${plan.phases.run.length}; median ${
      us(medianMs).toFixed(2)
    }, which other processes lengthen), ${
      best <= HOST_COST_LIMIT_US ? "within" : "ABOVE"
    } the limit of ${HOST_COST_LIMIT_US} us`,
  );
  return {
    op: "host.encode",
    shape: `${plan.phases.run.length} dispatches`,
    medianMs,
    minMs: Math.min(...times),
    gflops: null,
    gbps: null,
    shareOfPeak: null,
    bound: null,
    runs: times.length,
    clock: "wall",
    ...machine,
  };
}
