import assert from "node:assert/strict";
import { contents } from "../../bench/data.ts";
import { formatBytes } from "../../kernels/errors.ts";
import { blockTableRow } from "../../kernels/ops/blocks/table.ts";
import { openGpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { buildPipelines } from "../../kernels/runtime/pipelines.ts";
import { elementCount } from "../../kernels/spec.ts";
import { sampleAugmentation } from "../../train/augmentation.ts";
import { compileRun } from "../../train/compile_run.ts";
import { sampleBlockMask } from "../../train/mask.ts";
import { stepScalars } from "../../train/optimizer.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { gpuTest } from "../support/gpu.ts";

const flags = { patch: [96, 96, 96], batch: { size: 1 }, precision: "f32" };
/** ResEnc-L in dense f32 with the largest patch that a software driver's bindings allow, 96^3. */
const config = resolveRunConfig({ preset: "paper", flags: { ...flags, layout: "dense-masked" } });

// A software driver keeps device memory in the process, so what the process grows by is what the device really holds.
for (const recompute of ["off", "all"] as const) {
  gpuTest(`measured memory is within 2 % of the plan's figure, recompute ${recompute}`, async () => {
    using gpu = await openGpu(); // an allocator of its own: a used one keeps blocks
    if (!gpu.facts.software) {
      console.log(`not measured: ${gpu.facts.adapter} has memory of its own`);
      return;
    }
    const plan = compileRun(
      buildPretrainGraph(config),
      { ...config, memory: { limit: null, recompute } },
      gpu.facts,
    );
    await buildPipelines(gpu, plan.sources); // code takes memory too, but not the device's
    const before = Deno.memoryUsage().rss;
    using executor = await Executor.create(gpu, plan);
    const encoder = gpu.device.createCommandEncoder();
    for (const buffer of executor.buffers) encoder.clearBuffer(buffer); // touches every page
    gpu.device.queue.submit([encoder.finish()]);
    await executor.finish();
    const grown = Deno.memoryUsage().rss - before;
    const { peakBytes } = plan.report;
    const off = (bytes: number) => `${(100 * (bytes / peakBytes - 1)).toFixed(2)} %`;
    console.log(
      `plan ${formatBytes(peakBytes)}; allocated ${formatBytes(executor.allocatedBytes)} (${
        off(executor.allocatedBytes)
      }); process grew by ${formatBytes(grown)} (${off(grown)})`,
    );
    assert.ok(executor.allocatedBytes >= peakBytes);
    assert.ok(executor.allocatedBytes < 1.001 * peakBytes, "uniform blocks are the only other memory");
    assert.ok(Math.abs(grown / peakBytes - 1) < 0.02, `${grown} bytes, planned ${peakBytes}`);
  });
}

gpuTest("memory of a training step in the block layout is within 2 % of the plan's figure", async () => {
  using gpu = await openGpu();
  if (!gpu.facts.software) {
    console.log(`not measured: ${gpu.facts.adapter} has memory of its own`);
    return;
  }
  const ratio = 0.75;
  const config = resolveRunConfig({
    preset: "paper",
    flags: { ...flags, mask: { ratio: { kind: "fixed", value: ratio } } },
  });
  const { patch, mask: { block }, seed, optimizer, augmentation } = config;
  const built = buildPretrainGraph(config);
  const plan = compileRun(built, config, gpu.facts);
  const key = { seed, step: 0, sample: 0 };
  /** Runs one step on noise with a mask of the run. */
  const step = async (executor: Executor): Promise<void> => {
    executor.clearAccumulators();
    executor.write("scalars", stepScalars(optimizer, 1e-2, 0, 0));
    executor.write("crop", contents("noise", elementCount(built.cropSize), 0));
    executor.write("transform", sampleAugmentation({ ...key, config: augmentation }));
    executor.write(
      "table",
      blockTableRow(sampleBlockMask({ ...key, patch, block, ratio }).kept, built.blocks),
    );
    for (const phase of ["augment", "micro", "update"]) executor.run(phase);
    await executor.finish();
  };
  await buildPipelines(gpu, plan.sources);
  const before = memoryHeld();
  using executor = await Executor.create(gpu, plan);
  await step(executor);
  await step(executor);
  const grown = memoryHeld() - before; // with the machine code of the kernels, made in the first step
  const { peakBytes } = plan.report;
  const off = (100 * (grown / peakBytes - 1)).toFixed(2);
  console.log(
    `plan ${formatBytes(peakBytes)}; process grew by ${formatBytes(grown)} in two steps (${off} %)`,
  );
  assert.ok(Math.abs(grown / peakBytes - 1) < 0.02, `${grown} bytes, planned ${peakBytes}`);
});

/** Bytes that the process holds outside the JavaScript heap, after what it freed went back to the system. */
function memoryHeld(): number {
  const libc = Deno.dlopen("libc.so.6", { malloc_trim: { parameters: ["usize"], result: "i32" } });
  libc.symbols.malloc_trim(0n);
  libc.close();
  const { rss, heapTotal } = Deno.memoryUsage();
  return rss - heapTotal;
}
