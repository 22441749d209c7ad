import type { AdapterChoice } from "../kernels/runtime/device.ts";
import type { RunConfig } from "./config.ts";
import type { TrainEventListener } from "./events.ts";
import { runOnThread, type ThreadContext } from "./gpu_thread.ts";
import type { TrainingRequest } from "./loop.ts";
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
  /** Take requests to stop or to save that others leave in `control/` of the run folder; default no. */
  readonly allowControl?: boolean;
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
 * Pre-trains a masked auto-encoder. The GPU loop runs on a thread of its own.
 *
 * @returns the content of summary.json; `state` is `stopped` after an abort
 * @throws {PretrainError} with the name and message of what failed: device, data, checkpoint, divergence
 */
export function pretrain(request: PretrainRequest): Promise<RunSummary> {
  const { config, store, out, resume = false, adapter = "auto", signal, onEvent, allowControl } = request;
  const run: Omit<TrainingRequest, keyof ThreadContext> = {
    config,
    store,
    out,
    resume,
    adapter,
    allowControl,
  };
  const module = new URL("./gpu_worker.ts", import.meta.url);
  const failure = (name: string, message: string) => new PretrainError(name, message);
  return runOnThread({ module, run, signal, onEvent, failure });
}
