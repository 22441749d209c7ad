import type { ConfigurationPlan } from "../../data/nnunet/plans.ts";
import type { ConfigLayers } from "../resolve_config.ts";
import type { JsonObject } from "../merge_config.ts";
import type { FinetuneConfig } from "./config.ts";

/**
 * What a run starts from: weights of a checkpoint; random weights in the network and plan of a checkpoint; random weights in
 * the data set's own plan.
 */
export type FinetuneStart = "pretrained" | "fixed-scratch" | "scratch";

/** The layers of a fine-tuning configuration, lowest first. */
export interface FinetuneLayers extends ConfigLayers {
  readonly start: FinetuneStart;
  /** The configuration of the plans file, the data set's channels and the network's outputs; absent when the file is complete (resume). */
  readonly plan?: {
    readonly name: string;
    readonly configuration: ConfigurationPlan;
    readonly inputChannels: number;
    readonly outputs: number;
  };
}

/** Builds the complete configuration of a run. @throws {ConfigError} with the path of every wrong key */
export declare function resolveFinetuneConfig(layers: FinetuneLayers): FinetuneConfig;

/** JSON Schema (2020-12) of a configuration file, for editors. */
export declare function finetuneConfigJsonSchema(): JsonObject;
