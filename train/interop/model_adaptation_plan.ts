import {
  ADAPTATION_PLAN_KEY,
  type AdaptationPlan,
  adaptationPlan,
  adaptationPlanOf,
} from "../adaptation_plan.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { NetworkConfig } from "../../model/config.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import type { ModelDocuments } from "./source.ts";

/** An adaptation plan for a file, and why there is none. */
export interface DecidedPlan {
  readonly plan: AdaptationPlan | null;
  readonly notes: readonly string[];
}

/**
 * The adaptation plan of a file: its own where that describes the network, else one made of the network and the plan of its training
 * data; null without such a plan.
 *
 * @param agrees whether the file's own plan describes the network
 */
export function modelAdaptationPlan(
  documents: ModelDocuments,
  network: NetworkConfig,
  agrees: boolean,
): DecidedPlan {
  const own = documents.adaptationPlan;
  if (own !== null) {
    if (agrees && own.pretrain_num_input_channels === network.inputChannels) return { plan: own, notes: [] };
    return {
      plan: adaptationPlan(network, own.recommended_downstream_patchsize, own.pretrain_plan),
      notes: [],
    };
  }
  const data = documents.plans as JsonObject | null ?? documents.pretrainPlan;
  if (data === null) return { plan: null, notes: [] };
  const all = isJsonObject(data.configurations) ? data.configurations : {};
  const names = Object.keys(all);
  const name = documents.configuration ?? (names.length === 1 ? names[0] : null);
  const used = name === null ? undefined : all[name];
  if (name === null || !isJsonObject(used)) {
    const found = `configurations ${names.join(", ") || "none"}`;
    return {
      plan: null,
      notes: [`No adaptation plan: the plan has ${found} and the file names none of them`],
    };
  }
  const made = {
    ...adaptationPlan(network, used.patch_size as Dims3, {} as AdaptationPlan["pretrain_plan"]),
    pretrain_plan: { ...data, configurations: { [name]: used } },
  };
  const parsed = adaptationPlanOf(made);
  return "plan" in parsed ? { plan: parsed.plan, notes: [] } : {
    plan: null,
    notes: [
      `No adaptation plan: the plan of the training data has no usable ${
        parsed.fault.replace(`${ADAPTATION_PLAN_KEY}.`, "")
      }`,
    ],
  };
}
