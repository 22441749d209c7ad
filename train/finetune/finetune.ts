import type { Plans } from "../../data/nnunet/plans.ts";
import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import type { TrainEventListener } from "../events.ts";
import { runOnThread, type ThreadContext } from "../gpu_thread.ts";
import type { JsonObject } from "../merge_config.ts";
import type { FinetuneConfig } from "./config.ts";
import type { FinetuneLoopRequest } from "./loop.ts";
import type { FinetuneSummary } from "./run_folder.ts";

/** What {@linkcode finetune} needs. */
export interface FinetuneRequest {
  readonly config: FinetuneConfig;
  /** Folder of a store made by `prepareLabelled`. */
  readonly store: string;
  /** Run folder; gets run.json, run.sqlite, checkpoints/, summary.json, plans.json, dataset.json, transfer.json. */
  readonly out: string;
  readonly plans: Plans;
  /** Content of dataset.json. */
  readonly dataset: JsonObject;
  /** Ids of the fold's cases. */
  readonly cases: { readonly train: readonly string[]; readonly val: readonly string[] };
  /** Checkpoint whose weights start the network; random weights when absent. */
  readonly from?: string;
  /** Also take the decoder's stages and transposed convolutions, never the head. */
  readonly transferDecoder?: boolean;
  /** Go on from the folder's latest checkpoint. */
  readonly resume?: boolean;
  readonly adapter?: AdapterChoice;
  /** Saves a checkpoint and stops when aborted; the reason may be "SIGINT" or "SIGTERM". */
  readonly signal?: AbortSignal;
  readonly onEvent?: TrainEventListener;
  /** Take requests to stop or to save that others leave in `control/` of the run folder; default no. */
  readonly allowControl?: boolean;
}

/** A run that failed on its GPU thread; `name` is the original error's. */
export class FinetuneError extends Error {
  override readonly name: string;
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/**
 * Trains a segmentation network on one fold of a labelled data set, from pre-trained or random weights. The GPU loop runs on a thread
 * of its own.
 *
 * @returns the content of summary.json; `state` is `stopped` after an abort
 * @throws {FinetuneError} with the name and message of what failed: device, data, checkpoint, divergence
 */
export function finetune(request: FinetuneRequest): Promise<FinetuneSummary> {
  const { config, store, out, plans, dataset, cases, signal, onEvent } = request;
  const { from = null, transferDecoder = false, resume = false, adapter = "auto", allowControl } = request;
  const run: Omit<FinetuneLoopRequest, keyof ThreadContext> = {
    ...{ config, store, out, plans, dataset, cases },
    ...{ from, transferDecoder, resume, adapter, allowControl },
  };
  const module = new URL("./gpu_worker.ts", import.meta.url);
  const failure = (name: string, message: string) => new FinetuneError(name, message);
  return runOnThread({ module, run, signal, onEvent, failure });
}
