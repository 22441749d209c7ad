/// <reference lib="deno.worker" />
/** Worker of `prepareDataset` (its `workerUrl`) that resamples images on the GPU; what does not fit the device stays on its thread. */
import { DataError } from "../data/errors.ts";
import { serveImages } from "../data/prepare/serve_images.ts";
import type { ImageResampler } from "../data/preprocess_array.ts";
import { resampleImage } from "../data/resample.ts";
import { DeviceError, LimitError } from "../kernels/errors.ts";
import { openGpu } from "../kernels/runtime/device.ts";
import { gpuResampler } from "./gpu_resampler.ts";

/** A device is closed in the background; a process that ends meanwhile may crash in the driver. */
const CLOSE_MS = 400;

serveImages(self, async () => {
  const gpu = await openGpu().catch(endRun);
  const onDevice = gpuResampler(gpu);
  const resample: ImageResampler = async (...image) => {
    try {
      return await onDevice(...image);
    } catch (error) {
      if (error instanceof LimitError) return resampleImage(...image);
      return endRun(error);
    }
  };
  const close = async () => {
    gpu[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, CLOSE_MS));
  };
  return { resample, close };
});

/** A device that fails is no image's fault. */
function endRun(error: unknown): never {
  if (!(error instanceof DeviceError)) throw error;
  throw new DataError({
    file: "images on the GPU",
    action: "resample",
    found: error.message,
    wanted: "a GPU that works",
    remedy: "run again, finished volumes are kept; or use --resample cpu",
  }, { cause: error });
}
