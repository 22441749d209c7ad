import type { Plans } from "../../data/nnunet/plans.ts";
import type { SafetensorsDType } from "../../data/safetensors.ts";
import type { NetworkConfig } from "../../model/config.ts";
import type { MaeKind } from "../../model/mae.ts";
import type { AdaptationPlan } from "../adaptation_plan.ts";
import type { JsonObject } from "../merge_config.ts";

/**
 * What the weights of a file can do: reconstruct masked patches (S3D, its variants, MAE), segment, or, as `network`, neither: a
 * U-Net of unknown purpose, or one of S3D without tokens and densification. All of them start a fine-tuning run.
 */
export type ModelKind = MaeKind | "segmentation" | "network";

/** Where a file comes from, as far as it tells. */
export type ModelOrigin = "spark3d" | "nnssl" | "nnunet" | "unknown";

/** A file of weights that cannot be used. */
export class ModelFileError extends Error {
  override readonly name = "ModelFileError";
  constructor(message: string, readonly path: string) {
    super(message);
  }
}

/** What became of every tensor of a file. Keys of PyTorch files start with their dictionary: `network_weights/encoder...`. */
export interface KeyReport {
  /** Keys whose values count, and the parameter that they became. */
  readonly used: readonly { readonly key: string; readonly name: string }[];
  /** Keys that say the same again: one memory or equal values. */
  readonly aliases: readonly { readonly key: string; readonly of: string }[];
  /** Keys that were left out. */
  readonly skipped: readonly { readonly key: string; readonly reason: string }[];
  /** Parameters of the network that the file lacks. */
  readonly missing: readonly string[];
  /** Parameters for which two different tensors were there, so that one had to win. */
  readonly conflicts: readonly string[];
}

/** A tensor that is read when asked for. */
export interface ModelTensor {
  /** Parameter name, as {@linkcode ModelFile.parameters} lists it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Type in the file. */
  readonly dtype: SafetensorsDType;
  /** Values in C order, widened or rounded to float32, in memory of their own. */
  read(): Promise<Float32Array<ArrayBuffer>>;
}

/** What is known of how weights were trained; null or empty where the file does not tell. */
export interface TrainingFacts {
  /** Class of the trainer in nnssl and nnU-Net. */
  readonly trainer: string | null;
  /** Finished epochs. */
  readonly epochs: number | null;
  /** Completed optimiser steps. */
  readonly steps: number | null;
  readonly seed: number | null;
  readonly fold: number | string | null;
  /** Mean training loss of every epoch. */
  readonly trainLosses: readonly number[];
  /** Validation loss of every epoch. */
  readonly valLosses: readonly number[];
  /** Axes that nnU-Net mirrors in prediction; null where unknown. */
  readonly mirrorAxes: readonly number[] | null;
}

/** Where the architecture was learned from. */
export type ArchitectureSource = "configuration" | "adaptation plan" | "plans" | "shapes";

/** An opened file of weights: facts are here, tensors are read one at a time. */
export interface ModelFile extends AsyncDisposable {
  /** The file; for a run folder, its checkpoint. */
  readonly path: string;
  readonly origin: ModelOrigin;
  /** Of spark3d: the format in the metadata; else `safetensors` or `torch`. */
  readonly format: string;
  readonly kind: ModelKind;
  readonly network: NetworkConfig;
  readonly architectureSource: ArchitectureSource;
  /** What neither the file nor plans tell and was assumed, one sentence each. */
  readonly assumptions: readonly string[];
  /** What deserves attention, one sentence each: values left out of the file, plans that could not be used. */
  readonly notes: readonly string[];
  /** Whether the stem saw the unmasked patch in pre-training, as the reference's does. */
  readonly leakyStem: boolean;
  /** Edge of a mask block in pre-training, voxels; null where unknown or without meaning. */
  readonly maskBlock: number | null;
  /** Null where neither the file nor plans tell of the training data. */
  readonly adaptationPlan: AdaptationPlan | null;
  /** nnU-Net's plans, for segmentation networks. */
  readonly plans: Plans | null;
  /** The configuration of `plans` (or of the pre-training plan) that was used. */
  readonly configuration: string | null;
  /** Content of dataset.json. */
  readonly dataset: JsonObject | null;
  /** The run's configuration, of spark3d's own files. */
  readonly config: JsonObject | null;
  readonly trained: TrainingFacts;
  /** Every parameter of the network of that kind: those of the U-Net, then tokens and densification. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** By parameter name; parameters in `report.missing` are absent. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  readonly report: KeyReport;
}

/** Settings of {@linkcode readModel}. */
export interface ReadModelOptions {
  /** plans.json of nnU-Net, nnsslPlans.json, or an adaptation plan; in place of what the file says. */
  readonly plans?: string;
  /** dataset.json of nnU-Net; in place of what the file says. */
  readonly dataset?: string;
}

/** What an import wrote. */
export interface ImportSummary {
  readonly out: string;
  readonly bytes: number;
  readonly tensors: number;
  readonly parameters: number;
}
