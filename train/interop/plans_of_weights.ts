import type { ArchitecturePlan, Plans } from "../../data/nnunet/plans.ts";
import type { NetworkConfig } from "../../model/config.ts";
import { architecturePlan } from "../architecture_plan.ts";
import { finetuneConfigSchema } from "../finetune/config.ts";
import type { ModelDocuments } from "./source.ts";

/** Plans for a file of weights, and what was changed in them. */
export interface PlansOfWeights {
  readonly plans: Plans | null;
  readonly notes: readonly string[];
}

/**
 * The plans of a file as plans of its weights: runs of Spark3D may train another network than their data set's plans say, or another
 * patch, and so may trainers of nnU-Net. The used configuration then gets those, and the others, which belong to other networks, go.
 */
export function plansOfWeights(
  { plans, configuration, config }: ModelDocuments,
  network: NetworkConfig,
): PlansOfWeights {
  const planned = configuration === null ? undefined : plans?.configurations[configuration];
  if (plans === null || configuration === null || planned === undefined) return { plans, notes: [] };
  const { data: trained = planned.patch_size } = finetuneConfigSchema.shape.patch.safeParse(config?.patch);
  const architecture = architecturePlan(network);
  const differing = [
    ...(sizesOf(architecture) === sizesOf(planned.architecture) ? [] : ["network"]),
    ...(trained.join() === planned.patch_size.join() ? [] : ["patch"]),
  ];
  if (differing.length === 0) return { plans, notes: [] };
  const { next_stage: _next, ...alone } = planned;
  const own = { ...alone, patch_size: trained, architecture };
  return {
    plans: { ...plans, configurations: { [configuration]: own } },
    notes: [
      `The plans had another ${
        differing.join(" and ")
      } than was trained: ${configuration} was made to fit, others were left out`,
    ],
  };
}

function sizesOf({ arch_kwargs: sizes }: ArchitecturePlan): string {
  return JSON.stringify([
    sizes.features_per_stage,
    sizes.kernel_sizes,
    sizes.strides,
    sizes.n_blocks_per_stage,
    sizes.n_conv_per_stage,
    sizes.n_conv_per_stage_decoder,
  ]);
}
