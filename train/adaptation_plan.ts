import type { DatasetConfiguration, DatasetPlan } from "../data/plan.ts";

/** The plan of the pre-training data, reduced to the configuration that was used, its `patch_size` filled in. */
export type PretrainPlan =
  & Omit<DatasetPlan, "configurations">
  & { readonly configurations: Readonly<Record<string, DatasetConfiguration>> };

/** What a checkpoint tells whoever transfers its weights. Keys are those of nnssl's adaptation plan. */
export interface AdaptationPlan {
  readonly key_to_encoder: string;
  readonly key_to_stem: string;
  readonly keys_to_in_proj: readonly string[];
  readonly key_to_lpe: null;
  readonly architecture_plans: {
    readonly arch_class_name: string;
    /** Arguments of the network, as nnU-Net names them. */
    readonly arch_kwargs: Readonly<Record<string, unknown>>;
  };
  readonly pretrain_num_input_channels: number;
  readonly recommended_downstream_patchsize: readonly [number, number, number];
  /** Spacing, normalisation, patch and, as `orientation`, the axis codes that volumes were brought to. */
  readonly pretrain_plan: PretrainPlan;
}
