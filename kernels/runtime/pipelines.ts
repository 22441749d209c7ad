/** Compute pipelines keyed by their WGSL text, built in parallel, with readable compile errors. */
import { DeviceError } from "../errors.ts";
import type { Gpu } from "./device.ts";

/**
 * The pipelines of all `sources`, in order; texts seen before are not compiled again.
 *
 * @throws {DeviceError} with line, column and the line's text when WGSL does not compile
 */
export async function buildPipelines(
  gpu: Gpu,
  sources: readonly string[],
): Promise<readonly GPUComputePipeline[]> {
  const pipelines = sources.map((source) => {
    let pipeline = gpu.pipelines.get(source);
    if (!pipeline) {
      pipeline = buildPipeline(gpu.device, source);
      gpu.pipelines.set(source, pipeline);
    }
    return pipeline;
  });
  // All are waited for, even after an error: Dawn aborts a process that ends with one of its promises open.
  await Promise.allSettled(pipelines);
  return await Promise.all(pipelines);
}

async function buildPipeline(device: GPUDevice, source: string): Promise<GPUComputePipeline> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: source });
  const [info, scopeError] = await Promise.all([module.getCompilationInfo(), device.popErrorScope()]);
  const error = info.messages.find((m) => m.type === "error");
  if (error || scopeError) {
    const message = (error?.message ?? scopeError!.message).trim();
    const place = error
      ? ` at line ${error.lineNum}, column ${error.linePos}: ${
        (source.split("\n")[error.lineNum - 1] ?? "").trim()
      }\n`
      : ": ";
    throw new DeviceError(
      `Cannot compile a kernel${place}${message}`,
      { reason: "wgsl" },
    );
  }
  try {
    return await device.createComputePipelineAsync({
      layout: "auto",
      compute: { module, entryPoint: "main" },
    });
  } catch (cause) {
    throw new DeviceError(`Cannot build a compute pipeline: ${cause}`, { reason: "pipeline" }, { cause });
  }
}
