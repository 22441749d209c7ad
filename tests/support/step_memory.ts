/**
 * Memory that two training steps take, beside the machine code of their kernels: ResEnc-L in the block layout, patch 96^3, float32, mask
 * ratio 0.75. A program of its own, for memory that earlier work freed would take up part of the growth. Prints one JSON object: bytes
 * planned, and bytes that the process grew by.
 */
import { contents } from "../../bench/data.ts";
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

const ratio = 0.75;
const config = resolveRunConfig({
  preset: "paper",
  flags: {
    patch: [96, 96, 96],
    batch: { size: 1 },
    precision: "f32",
    mask: { ratio: { kind: "fixed", value: ratio } },
  },
});
const { patch, mask: { block }, seed, optimizer, augmentation } = config;
using gpu = await openGpu();
const built = buildPretrainGraph(config);
const plan = compileRun(built, config, gpu.facts);
const key = { seed, step: 0, sample: 0 };
await buildPipelines(gpu, plan.sources);
{ // machine code of the kernels is made in the first step
  using first = await Executor.create(gpu, plan);
  await step(first);
}
const before = memoryHeld();
using executor = await Executor.create(gpu, plan);
await step(executor);
await step(executor);
console.log(JSON.stringify({
  planned: plan.report.peakBytes,
  grown: memoryHeld() - before,
}));

/** Runs one step on noise with a mask of the run. */
async function step(executor: Executor): Promise<void> {
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
}

/** Bytes that the process holds outside the JavaScript heap, after what it freed went back to the system. */
function memoryHeld(): number {
  const libc = Deno.dlopen("libc.so.6", { malloc_trim: { parameters: ["usize"], result: "i32" } });
  libc.symbols.malloc_trim(0n);
  libc.close();
  const { rss, heapTotal } = Deno.memoryUsage();
  return rss - heapTotal;
}
