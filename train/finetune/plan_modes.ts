import type { Plans } from "../../data/nnunet/plans.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { AdaptationPlan } from "../adaptation_plan.ts";

/**
 * What a pre-trained network's plan takes its voxel size from: the data set's own plan, the pre-training, a given spacing, or
 * nowhere (no resampling).
 */
export const planModes = ["dynamic", "like-pretrained", "fixed", "no-resample"] as const;
/** One of {@linkcode planModes}. */
export type PlanMode = (typeof planModes)[number];

/** A checkpoint as plans see it. */
export interface PretrainedCheckpoint {
  /** Path of the safetensors file. */
  readonly path: string;
  /** Name for plans: that of the run folder, else of the file. */
  readonly name: string;
  readonly adaptationPlan: AdaptationPlan;
}

/** Reads what plans need to know of a checkpoint; a run folder stands for its final (else best, latest) one. */
export declare function readPretrained(path: string): Promise<PretrainedCheckpoint>;

/** The plans with which a pre-trained network is fine-tuned on a data set. */
export declare function adaptPlans(
  dynamicPlans: Plans,
  mode: PlanMode,
  options: {
    readonly checkpoint: PretrainedCheckpoint;
    /** mm, [z, y, x] after transposition; for mode fixed */
    readonly spacing?: Dims3;
  },
): Plans;
