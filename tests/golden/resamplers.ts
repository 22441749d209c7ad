/** The ways to resample an image that recorded cases are compared on. */
import type { ImageResampler } from "../../data/preprocess_array.ts";
import { resampleImage, type ResampleOptions } from "../../data/resample.ts";
import { gpuResampler } from "../../train/gpu_resampler.ts";
import { hasAdapter, testGpu } from "../support/gpu.ts";

/** A way to resample. */
export interface Resampler {
  /** Where it computes, to follow the name of what is compared; empty for the processor. */
  readonly where: string;
  readonly resample: ImageResampler;
}

/** The processor, and the GPU where there is an adapter. */
export async function resamplers(options: ResampleOptions = {}): Promise<readonly Resampler[]> {
  const processor: Resampler = {
    where: "",
    resample: (...image) => Promise.resolve(resampleImage(...image, options)),
  };
  if (!hasAdapter) return [processor];
  return [processor, { where: " on the GPU", resample: gpuResampler(await testGpu(), options) }];
}
