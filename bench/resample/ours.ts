/** Our side of the resampling benchmark: answers jobs from stdin until it closes. Started by run.ts. */
import { resampleImage } from "../../data/resample.ts";
import type { ResampleAnswer, ResampleJob } from "./job.ts";
import { readLines } from "./side.ts";

if (import.meta.main) {
  console.log(JSON.stringify({ name: "spark3d", version: `deno ${Deno.version.deno}` }));
  for await (const line of readLines(Deno.stdin.readable)) {
    const { file, shape, newShape, spacing, newSpacing, every } = JSON.parse(line) as ResampleJob;
    const image = new Float32Array((await Deno.readFile(file)).buffer);
    const start = performance.now();
    const resized = resampleImage(image, shape, newShape, spacing, newSpacing);
    const ms = performance.now() - start;
    const samples: number[] = [];
    for (let i = 0; i < resized.length; i += every) samples.push(resized[i]);
    console.log(JSON.stringify({ ms, samples } satisfies ResampleAnswer));
  }
}
