/** Times every dispatch of a phase with GPU timestamps. */
import { DeviceError } from "../errors.ts";
import type { Dispatch } from "../spec.ts";
import type { Gpu } from "./device.ts";
import type { DispatchTime } from "./executor.ts";

/**
 * Runs each dispatch in a compute pass of its own between two timestamps.
 *
 * @returns milliseconds by dispatch, in order
 * @throws {DeviceError} when the device has no timestamp-query
 */
export async function timeDispatches(
  gpu: Gpu,
  recorded: readonly { dispatch: Dispatch; pipeline: GPUComputePipeline; group: GPUBindGroup }[],
): Promise<readonly DispatchTime[]> {
  if (!gpu.facts.timestamps) {
    throw new DeviceError(`Cannot profile on ${gpu.facts.adapter}: it has no timestamp-query`, {
      reason: "feature",
    });
  }
  const { device } = gpu;
  const result: DispatchTime[] = [];
  const chunk = 1024;
  for (let start = 0; start < recorded.length; start += chunk) {
    const part = recorded.slice(start, start + chunk);
    const queries = device.createQuerySet({ type: "timestamp", count: part.length * 2 });
    const size = part.length * 16;
    const resolved = device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const staging = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = device.createCommandEncoder();
    part.forEach(({ dispatch, pipeline, group }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet: queries,
          beginningOfPassWriteIndex: 2 * i,
          endOfPassWriteIndex: 2 * i + 1,
        },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...dispatch.workgroups);
      pass.end();
    });
    encoder.resolveQuerySet(queries, 0, part.length * 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(staging.getMappedRange().slice(0));
    part.forEach(({ dispatch }, i) =>
      result.push({
        node: dispatch.node,
        label: dispatch.label,
        op: dispatch.op,
        ms: Number(times[2 * i + 1] - times[2 * i]) / 1e6,
        cost: dispatch.cost,
      })
    );
    staging.destroy();
    resolved.destroy();
    queries.destroy();
  }
  return result;
}
