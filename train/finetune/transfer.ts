import type { AdaptationPlan } from "../adaptation_plan.ts";

/** What became of every tensor; names are parameter keys, in order of declaration. */
export interface TransferReport {
  /** Copied from the checkpoint. */
  readonly transferred: readonly string[];
  /** Copied and fitted to another number of input channels. */
  readonly adapted: readonly string[];
  /** Not in the checkpoint, or left out on purpose: they keep their random start. */
  readonly fresh: readonly string[];
  /** Weights of the checkpoint that the network does not take. */
  readonly unused: readonly string[];
}

/** Weights for a network, and where they came from. */
export interface Transfer {
  /** C order, by parameter name; tensors that stay as initialised are absent. */
  readonly values: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
  readonly report: TransferReport;
  readonly adaptationPlan: AdaptationPlan;
}

/** What {@linkcode transferWeights} needs. */
export interface TransferRequest {
  /** Safetensors file of a pre-training or fine-tuning run. */
  readonly checkpoint: string;
  /** Parameters of the network that takes the weights. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Also the decoder's stages and transposed convolutions, never a head; false when absent. */
  readonly transferDecoder?: boolean;
}

/** Reads the weights of a checkpoint that a network takes. @throws {TransferError} when they do not fit */
export declare function transferWeights(request: TransferRequest): Promise<Transfer>;
