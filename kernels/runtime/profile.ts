/** Times every dispatch of a phase: with GPU timestamps, or by the host's clock. */
import { DeviceError } from "../errors.ts";
import type { Dispatch } from "../spec.ts";
import type { Gpu } from "./device.ts";
import type { DispatchTime } from "./executor.ts";

/**
 * What measures a profile. `gpu`: timestamps around a compute pass of its own for every dispatch, one submission.
 * `host`: every dispatch submitted alone and waited for, less the time of an empty submission; runtimes poll (Deno every
 * 10 ms), so it suits dispatches that take longer.
 */
export type ProfileClock = "gpu" | "host";

/** A dispatch with what it takes to encode it. */
export interface TimedDispatch {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

/** Dispatches timed by one query set, which may hold 4096 timestamps. */
const CHUNK = 1024;
/** Empty submissions whose shortest is taken off the host's times. */
const EMPTY_RUNS = 5;

/**
 * Runs each dispatch once and times it.
 *
 * @returns milliseconds by dispatch, in order
 * @throws {DeviceError} when the clock is `gpu` and the device has no timestamp-query
 */
export async function timeDispatches(
  gpu: Gpu,
  recorded: readonly TimedDispatch[],
  clock: ProfileClock = "gpu",
): Promise<readonly DispatchTime[]> {
  if (clock === "gpu" && !gpu.facts.timestamps) {
    throw new DeviceError(
      `Cannot profile on ${gpu.facts.adapter}: it has no timestamp-query, use the host clock`,
      {
        reason: "feature",
      },
    );
  }
  const times: number[] = [];
  if (clock === "host") times.push(...await hostTimes(gpu.device, recorded));
  else {
    for (let start = 0; start < recorded.length; start += CHUNK) {
      times.push(...await gpuTimes(gpu.device, recorded.slice(start, start + CHUNK)));
    }
  }
  return recorded.map(({ dispatch: { node, label, op, cost } }, i) => ({
    node,
    label,
    op,
    cost,
    ms: times[i],
  }));
}

function encode(
  encoder: GPUCommandEncoder,
  dispatched: TimedDispatch,
  descriptor?: GPUComputePassDescriptor,
): void {
  const pass = encoder.beginComputePass(descriptor);
  pass.setPipeline(dispatched.pipeline);
  pass.setBindGroup(0, dispatched.group);
  pass.dispatchWorkgroups(...dispatched.dispatch.workgroups);
  pass.end();
}

async function gpuTimes(device: GPUDevice, part: readonly TimedDispatch[]): Promise<number[]> {
  const querySet = device.createQuerySet({ type: "timestamp", count: part.length * 2 });
  const size = part.length * 16;
  const resolved = device.createBuffer({
    size,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  try {
    const encoder = device.createCommandEncoder();
    part.forEach((dispatched, i) =>
      encode(encoder, dispatched, {
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      })
    );
    encoder.resolveQuerySet(querySet, 0, part.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const ticks = new BigInt64Array(staging.getMappedRange().slice(0)); // nanoseconds
    return part.map((_, i) => Math.max(0, Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6));
  } finally {
    staging.destroy();
    resolved.destroy();
    querySet.destroy();
  }
}

async function hostTimes(device: GPUDevice, recorded: readonly TimedDispatch[]): Promise<number[]> {
  const timed = async (dispatched: TimedDispatch | null) => {
    const encoder = device.createCommandEncoder();
    if (dispatched) encode(encoder, dispatched);
    const commands = encoder.finish();
    const started = performance.now();
    device.queue.submit([commands]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - started;
  };
  await timed(null);
  let empty = Infinity;
  for (let i = 0; i < EMPTY_RUNS; i++) empty = Math.min(empty, await timed(null));
  const times: number[] = [];
  for (const dispatched of recorded) times.push(Math.max(0, await timed(dispatched) - empty));
  return times;
}
