import type { Plans } from "../../data/nnunet/plans.ts";
import type { SafetensorsDType, SafetensorsTensor } from "../../data/safetensors.ts";
import type { NetworkConfig } from "../../model/config.ts";
import type { AdaptationPlan } from "../adaptation_plan.ts";
import type { JsonObject } from "../merge_config.ts";
import type { ModelKind, ModelOrigin, TrainingFacts } from "./types.ts";

/** A tensor as a file lists it. */
export interface StoredTensor {
  readonly key: string;
  readonly shape: readonly number[];
  readonly dtype: SafetensorsDType;
  /** Equal where two keys name one memory with one shape. */
  readonly memory: string;
  /** Parameter that it may be, null with the `reason` why it is none. */
  readonly parameter: string | null;
  readonly reason: string;
  /** Among keys of one parameter the lowest counts. */
  readonly rank: number;
}

/** What a file says beside its tensors. */
export interface ModelDocuments {
  readonly origin: ModelOrigin;
  readonly format: string;
  /** Null where tensors decide. */
  readonly kind: ModelKind | null;
  /** The whole network, where the file has it; null where tensors and plans decide. */
  readonly network: NetworkConfig | null;
  readonly leakyStem: boolean;
  readonly maskBlock: number | null;
  readonly adaptationPlan: AdaptationPlan | null;
  /** Plan of the pre-training data, which an adaptation plan can be made of. */
  readonly pretrainPlan: JsonObject | null;
  readonly plans: Plans | null;
  readonly configuration: string | null;
  readonly dataset: JsonObject | null;
  readonly config: JsonObject | null;
  readonly trained: TrainingFacts;
  readonly assumptions: readonly string[];
  readonly notes: readonly string[];
}

/** A file of tensors of whatever form. */
export interface ModelSource extends AsyncDisposable {
  readonly path: string;
  readonly tensors: readonly StoredTensor[];
  readonly documents: ModelDocuments;
  /** Values of a tensor. */
  read(key: string): Promise<SafetensorsTensor>;
}

/** Facts of a file that tells none. */
export const UNKNOWN_TRAINING: TrainingFacts = {
  trainer: null,
  epochs: null,
  steps: null,
  seed: null,
  fold: null,
  trainLosses: [],
  valLosses: [],
  mirrorAxes: null,
};

/** Documents of a file that has none. */
export const NO_DOCUMENTS: ModelDocuments = {
  origin: "unknown",
  format: "unknown",
  kind: null,
  network: null,
  leakyStem: false,
  maskBlock: null,
  adaptationPlan: null,
  pretrainPlan: null,
  plans: null,
  configuration: null,
  dataset: null,
  config: null,
  trained: UNKNOWN_TRAINING,
  assumptions: [],
  notes: [],
};
