import assert from "node:assert/strict";
import { formatBytes } from "../../kernels/errors.ts";
import { openGpu } from "../../kernels/runtime/device.ts";
import { Executor } from "../../kernels/runtime/executor.ts";
import { buildPipelines } from "../../kernels/runtime/pipelines.ts";
import { compileRun } from "../../train/compile_run.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import { buildPretrainGraph } from "../../train/step.ts";
import { gpuTest } from "../support/gpu.ts";
import { repositoryRoot, spawn } from "../support/spawn.ts";

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

gpuTest(
  "training steps in the block layout stay within the plan's memory, and use nearly all of it",
  async (gpu) => {
    if (!gpu.facts.software) {
      console.log(`not measured: ${gpu.facts.adapter} has memory of its own`);
      return;
    }
    const program = `${repositoryRoot}/tests/support/step_memory.ts`;
    const { code, stdout, stderr } = await spawn(Deno.execPath(), [
      "run",
      "--quiet",
      "--no-check",
      "-A",
      program,
    ]);
    assert.equal(code, 0, stderr);
    const { planned, grown } = JSON.parse(stdout);
    const off = (100 * (grown / planned - 1)).toFixed(2);
    console.log(
      `plan ${formatBytes(planned)}; process grew by ${formatBytes(grown)} in two steps (${off} %)`,
    );
    assert.ok(grown < 1.01 * planned && grown > 0.9 * planned, `${grown} bytes, planned ${planned}`); // some pages are never touched
  },
);
