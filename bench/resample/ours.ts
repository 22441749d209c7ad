/** Our side of the resampling benchmark: answers jobs from stdin until it closes; with `--gpu`, on the GPU. Started by run.ts. */
import type { ImageResampler } from "../../data/preprocess_array.ts";
import { resampleImage } from "../../data/resample.ts";
import { openGpu } from "../../kernels/runtime/device.ts";
import { gpuResampler } from "../../train/gpu_resampler.ts";
import type { ResampleAnswer, ResampleJob } from "./job.ts";
import { readLines } from "./side.ts";

if (import.meta.main) {
  const gpu = Deno.args.includes("--gpu") ? await openGpu() : null;
  const resample: ImageResampler = gpu
    ? gpuResampler(gpu)
    : (...image) => Promise.resolve(resampleImage(...image));
  const adapter = gpu ? { adapter: gpu.facts.adapter } : {};
  console.log(JSON.stringify({ name: "spark3d", version: `deno ${Deno.version.deno}`, ...adapter }));
  for await (const line of readLines(Deno.stdin.readable)) {
    const { file, shape, newShape, spacing, newSpacing, every } = JSON.parse(line) as ResampleJob;
    const image = new Float32Array((await Deno.readFile(file)).buffer);
    const start = performance.now();
    const resized = await resample(image, shape, newShape, spacing, newSpacing);
    const ms = performance.now() - start;
    const samples: number[] = [];
    for (let i = 0; i < resized.length; i += every) samples.push(resized[i]);
    console.log(JSON.stringify({ ms, samples } satisfies ResampleAnswer));
  }
  gpu?.[Symbol.dispose]();
}
