import type { ImageResampler } from "../preprocess_array.ts";
import { serveTasks, type TaskScope } from "../serve_tasks.ts";
import type { ImageResult, ImageSettings, ImageTask } from "./image_task.ts";
import { prepareImage } from "./prepare_image.ts";

/** A resampler with something to give back at the end, such as a GPU. */
export interface OpenResampler {
  readonly resample: ImageResampler;
  close(): void | Promise<void>;
}

/**
 * Prepares the images that `prepareDataset` hands out to a worker thread; a worker module calls this once with its global scope.
 *
 * @param open opens what resamples images, before the first one; `resampleImage` on this thread when left out
 */
export function serveImages(
  scope: TaskScope<ImageSettings, ImageTask, ImageResult>,
  open?: () => Promise<OpenResampler>,
): void {
  serveTasks(scope, async (settings) => {
    const resampler = await open?.();
    return {
      work: (task) => prepareImage(task, settings, resampler?.resample),
      close: () => resampler?.close(),
    };
  });
}
