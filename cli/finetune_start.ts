import type { AdapterChoice } from "../kernels/runtime/provider.ts";
import type { LabelledDataset } from "../data/nnunet/dataset.ts";
import type { PlannerName } from "../data/nnunet/planner/planners.ts";
import { configurationOf, type Plans } from "../data/nnunet/plans.ts";
import type { Dims3 } from "../kernels/spec.ts";
import type { FinetuneConfig } from "../train/finetune/config.ts";
import { adaptPlans, type PlanMode, readPretrained } from "../train/finetune/plan_modes.ts";
import type { FinetuneStart } from "../train/finetune/presets.ts";
import { resolveFinetuneConfig } from "../train/finetune/resolve_config.ts";
import type { JsonObject } from "../train/merge_config.ts";
import { UsageError } from "./errors.ts";
import type { Fold } from "./finetune_inputs.ts";
import type { WatchOptions } from "./run_dashboard.ts";

/** Options of `spark3d finetune` beside those that set keys of the configuration. */
export interface FinetuneOptions extends JsonObject, WatchOptions {
  readonly from?: string;
  readonly scratch?: true;
  readonly transferDecoder?: true;
  readonly plan?: PlanMode;
  readonly spacing?: Dims3;
  readonly planner?: PlannerName;
  readonly gpuMemory?: number;
  readonly plans?: string;
  readonly fold?: readonly Fold[];
  readonly preset?: string;
  readonly config?: string;
  readonly prepared?: string;
  readonly out?: string;
  readonly resume?: string | true;
  readonly validate: boolean;
  readonly adapter: AdapterChoice;
  readonly printConfig?: true;
  readonly printSchema?: true;
}

/** What fine-tuning starts from. @throws {UsageError} for options that contradict each other */
export function startOf({ from, scratch, plan, spacing, transferDecoder }: FinetuneOptions): FinetuneStart {
  if (from === undefined && !scratch) {
    throw new UsageError(
      "Give --from RUN to start from pre-trained weights, or --scratch to start from random ones",
    );
  }
  const fromCheckpoint = { "--plan": plan, "--transfer-decoder": transferDecoder };
  for (const [name, value] of Object.entries(fromCheckpoint)) {
    if (value !== undefined && from === undefined) {
      throw new UsageError(`${name} needs --from RUN: give both`);
    }
  }
  if (transferDecoder && scratch) {
    throw new UsageError("--transfer-decoder and --scratch contradict each other: give one of them");
  }
  if ((plan === "fixed") !== (spacing !== undefined)) {
    throw new UsageError("--plan fixed and --spacing belong together: give both or neither");
  }
  return from === undefined ? "scratch" : scratch ? "fixed-scratch" : "pretrained";
}

/**
 * The plans of a run: the data set's own, or those that a checkpoint makes of them.
 *
 * @param checkpoint file; null for the data set's own plans
 */
export async function plansFor(
  own: Plans,
  checkpoint: string | null,
  { plan = "like-pretrained", spacing }: FinetuneOptions,
): Promise<Plans> {
  if (checkpoint === null) return own;
  return adaptPlans(own, plan, { checkpoint: await readPretrained(checkpoint), spacing });
}

/** The complete configuration of a new run. */
export function configFor(
  { dataset, plans, start, fold, preset, file, fileName, flags }: {
    readonly dataset: LabelledDataset;
    readonly plans: Plans;
    readonly start: FinetuneStart;
    readonly fold: Fold;
    readonly preset?: string;
    readonly file?: unknown;
    readonly fileName?: string;
    readonly flags: JsonObject;
  },
): FinetuneConfig {
  const named = (file as { readonly configuration?: unknown } | undefined)?.configuration;
  const name = typeof named === "string" ? named : "3d_fullres";
  return resolveFinetuneConfig({
    preset,
    file,
    fileName,
    flags: { ...flags, fold },
    start,
    plan: {
      name,
      configuration: configurationOf(plans, name),
      inputChannels: dataset.channelNames.length,
      outputs: dataset.labels.outputs,
    },
  });
}
