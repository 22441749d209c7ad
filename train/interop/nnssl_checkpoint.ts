import type { TorchWritable } from "../../data/torch/types.ts";
import type { AdaptationPlan } from "../adaptation_plan.ts";
import type { JsonObject } from "../merge_config.ts";
import { nnsslAdaptationPlan } from "./nnssl_plan.ts";
import { torchFromJson } from "./torch_json.ts";
import { networkState, sparkState, writableTensors } from "./torch_state.ts";
import type { ModelFile, ModelKind } from "./types.ts";

/** Trainers of nnssl by what they train; the networks of all others are those of its base trainer. */
const TRAINERS: Readonly<Partial<Record<ModelKind, string>>> = {
  "s3d": "SparkMAETrainer",
  "s3d-efficient": "EffSparkMAETrainer",
  "s3d-no-token": "NoTokenSparkMAETrainer",
  "mae": "BaseMAETrainer",
};

/** Name of nnssl's trainer of a network: the one that trained it, else the one that trains its kind. */
export function nnsslTrainer(
  { kind, origin, trained }: Pick<ModelFile, "kind" | "origin" | "trained">,
): string {
  if (origin === "nnssl" && trained.trainer !== null) return trained.trainer;
  return TRAINERS[kind] ?? "AbstractBaseTrainer";
}

/** Whether the encoder of a kind of network is sparse, so that nnssl wraps the network in `SparK3D`. */
export function isSparse(kind: ModelKind): boolean {
  return kind === "s3d" || kind === "s3d-efficient" || kind === "s3d-no-token";
}

/** A model whose training data are known. */
export type PlannedModel = ModelFile & { readonly adaptationPlan: AdaptationPlan };

/**
 * What a checkpoint of nnssl holds, without the state of an optimiser: `network_weights` and `nnssl_adaptation_plan`, which
 * fine-tuning takes; `spark_weights`, for sparse encoders; `init_args`, `trainer_name` and, where known, `current_epoch`.
 *
 * Source: `save_checkpoint` of nnssl's trainers and its tool `add_adaptation_plan`.
 */
export function nnsslCheckpoint(model: PlannedModel): TorchWritable {
  const plan = nnsslAdaptationPlan(model.adaptationPlan);
  const pretrainPlan = plan.pretrain_plan as JsonObject;
  const { epochs } = model.trained;
  const tensors = writableTensors(model);
  const entries: [string, TorchWritable][] = [
    ["network_weights", networkState(tensors)],
    ["init_args", torchFromJson(initArguments(pretrainPlan))],
    ["trainer_name", nnsslTrainer(model)],
    ["nnssl_adaptation_plan", torchFromJson(plan)],
  ];
  if (isSparse(model.kind)) entries.push(["spark_weights", sparkState(tensors)]);
  if (epochs !== null) entries.push(["current_epoch", epochs]);
  return new Map(entries);
}

/** Arguments of a trainer; nnssl's list of images stays empty, since it names subjects and files. */
function initArguments(plan: JsonObject): JsonObject {
  return {
    plan,
    configuration_name: Object.keys(plan.configurations as JsonObject)[0],
    fold: 0,
    pretrain_json: { collection_index: 0, collection_name: plan.dataset_name, datasets: {} },
  };
}
