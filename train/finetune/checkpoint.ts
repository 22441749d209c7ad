import type { LabelSet } from "../../data/nnunet/labels.ts";
import type { ConfigurationPlan, Plans } from "../../data/nnunet/plans.ts";
import type { NetworkConfig } from "../../model/config.ts";
import type { JsonObject } from "../merge_config.ts";
import type { FinetuneConfig } from "./config.ts";

/** A fine-tuned network with everything that segmenting a new scan takes. */
export interface FinetunedModel {
  /** The checkpoint file. */
  readonly path: string;
  readonly config: FinetuneConfig;
  readonly network: NetworkConfig;
  readonly plans: Plans;
  /** The configuration of `plans` that it was trained with. */
  readonly configuration: ConfigurationPlan;
  readonly labels: LabelSet;
  /** Content of dataset.json. */
  readonly dataset: JsonObject;
  /** Weights by PyTorch key, C order; optimiser states left out. */
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/** Which checkpoint of a run folder. */
export type CheckpointKind = "final" | "best" | "latest";

/**
 * Reads a fine-tuned model.
 *
 * @param path a checkpoint of a fine-tuning run, or its run folder
 * @param kind which checkpoint of a folder; the first of final, best and latest that there is when left out
 * @throws {CheckpointError} when there is no such checkpoint, or it is not one of a fine-tuned network
 */
export declare function readFinetuned(path: string, kind?: CheckpointKind): Promise<FinetunedModel>;
