import type { Plans } from "../../data/nnunet/plans.ts";
import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import type { TrainEventListener } from "../events.ts";
import type { JsonObject } from "../merge_config.ts";
import type { FinetuneConfig } from "./config.ts";

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
}
