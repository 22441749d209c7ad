import type { AdapterChoice } from "../kernels/runtime/device.ts";
import type { RunConfig } from "./config.ts";
import type { StopReason, TrainEventListener } from "./events.ts";
import type { WorkerReply, WorkerRequest } from "./gpu_worker.ts";
import type { RunSummary } from "./run_folder.ts";

/** What {@linkcode pretrain} needs. */
export interface PretrainRequest {
  readonly config: RunConfig;
  /** Folder of a store made by `prepareDataset`. */
  readonly store: string;
  /** Run folder; gets run.json, run.sqlite, checkpoints/, summary.json, pictures. */
  readonly out: string;
  /** Go on from the folder's latest checkpoint. */
  readonly resume?: boolean;
  readonly adapter?: AdapterChoice;
  /** Saves a checkpoint and stops when aborted; the reason may be "SIGINT" or "SIGTERM". */
  readonly signal?: AbortSignal;
  readonly onEvent?: TrainEventListener;
}

/** A run that failed on its GPU thread; `cause` names the original error. */
export class PretrainError extends Error {
  override readonly name: string;
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/**
 * Time for a terminated GPU thread to end. Deno ends it in the background, and a process that exits meanwhile unloads the
 * driver under it: on lavapipe 18 of 360 exits crashed, none of 300 after a pause of 150 ms.
 */
const WORKER_END_MS = 400;

/**
 * Pre-trains a masked auto-encoder. The GPU loop runs on a thread of its own.
 *
 * @returns the content of summary.json; `state` is `stopped` after an abort
 * @throws {PretrainError} with the name and message of what failed: device, data, checkpoint, divergence
 */
export function pretrain(request: PretrainRequest): Promise<RunSummary> {
  const { config, store, out, resume = false, adapter = "auto", signal } = request;
  const worker = new Worker(new URL("./gpu_worker.ts", import.meta.url), { type: "module" });
  const post = (message: WorkerRequest) => worker.postMessage(message);
  const stop = () => post({ type: "stop", reason: stopReason(signal?.reason) });
  return new Promise<RunSummary>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      if (data.type === "event") request.onEvent?.(data.event);
      else if (data.type === "done") resolve(data.summary);
      else reject(new PretrainError(data.name, data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new PretrainError("Error", `The GPU thread failed: ${event.message}`));
    };
    signal?.addEventListener("abort", stop);
    post({ type: "run", config, store, out, resume, adapter });
    if (signal?.aborted) stop();
  }).finally(async () => {
    signal?.removeEventListener("abort", stop);
    worker.terminate();
    await new Promise((done) => setTimeout(done, WORKER_END_MS));
  });
}

function stopReason(reason: unknown): StopReason {
  const text = reason instanceof Error ? `${reason.name} ${reason.message}` : String(reason);
  return text.includes("SIGTERM") ? "SIGTERM" : text.includes("SIGINT") ? "SIGINT" : "abort";
}
