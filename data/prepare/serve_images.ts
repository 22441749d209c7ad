import { DataError } from "../errors.ts";
import type { ImageResampler } from "../preprocess_array.ts";
import type { ImageSettings, WorkerReply, WorkerRequest } from "./image_task.ts";
import { prepareImage } from "./prepare_image.ts";

/** A resampler with something to give back at the end, such as a GPU. */
export interface OpenResampler {
  readonly resample: ImageResampler;
  close(): void | Promise<void>;
}

/** The messages that a worker thread sends and receives. */
export interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(reply: WorkerReply): void;
}

/**
 * Answers the messages of `ImagePool` on a worker thread; a worker module calls this once with its global scope.
 *
 * @param open opens what resamples images, before the first one; `resampleImage` on this thread when left out
 */
export function serveImages(scope: WorkerScope, open?: () => Promise<OpenResampler>): void {
  let settings: ImageSettings | null = null;
  let resampler: Promise<OpenResampler> | undefined;
  scope.onmessage = async ({ data }) => {
    try {
      if (data.type === "open") {
        settings = data.settings;
        resampler = open?.();
        await resampler;
      } else if (data.type === "image") {
        scope.postMessage(await prepareImage(data.task, settings!, (await resampler)?.resample));
      } else {
        await (await resampler)?.close();
        scope.postMessage({ type: "closed" });
      }
    } catch (error) {
      scope.postMessage(failure(error));
    }
  };
}

/** An error that ends the run, as plain values. */
export function failure(error: unknown): WorkerReply {
  const message = error instanceof Error ? error.stack ?? error.message : String(error);
  return { type: "failed", message, ...(error instanceof DataError ? { fields: error.fields() } : {}) };
}
