import { LayerError } from "../../data/nnunet/layer_arguments.ts";
import { parsePlans } from "../../data/nnunet/parse_plans.ts";
import { torchToJson } from "../../data/torch/torch_to_json.ts";
import { type TorchDict, TorchError, type TorchValue } from "../../data/torch/types.ts";
import { DataError } from "../../data/errors.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlanOf } from "../adaptation_plan.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import { type ModelDocuments, NO_DOCUMENTS } from "./source.ts";
import type { TrainingFacts } from "./types.ts";

/** Edge of a mask block of nnssl's masked auto-encoders, voxels. */
const NNSSL_BLOCK = 16;

/** Entry of nnU-Net's checkpoints: axes over whose mirror images its predictor averages. */
const MIRROR_AXES = "inference_allowed_mirroring_axes";

/**
 * What a checkpoint of nnssl or nnU-Net says beside its tensors. Descriptions of data that name subjects or files
 * (`pretrain_json`) are left where they are.
 *
 * @throws {LayerError} when its plans are of layers that are not computed here
 * Source: `save_checkpoint` of nnssl's and nnU-Net's trainers.
 */
export function torchDocuments(root: TorchValue, fileNotes: readonly string[], path: string): ModelDocuments {
  const top: TorchDict = root instanceof Map ? root : new Map();
  const notes = [...fileNotes];
  const json = (value: TorchValue | undefined, what: string): unknown => {
    if (value === undefined || value === null) return null;
    try {
      return torchToJson(value, path);
    } catch (error) {
      if (!(error instanceof TorchError)) throw error;
      notes.push(`${what} was left out: ${error.message}`);
      return null;
    }
  };
  const settings: TorchValue = top.get("init_args") ?? null;
  const args: TorchDict = settings instanceof Map ? settings : new Map();
  const object = (value: TorchValue | undefined, what: string): JsonObject | null => {
    const parsed = json(value, what);
    return isJsonObject(parsed) ? parsed : null;
  };
  const trainer = text(top.get("trainer_name"));
  const pretrainPlan = object(args.get("plan"), "init_args.plan");
  const planned = object(args.get("plans"), "init_args.plans");
  const adaptation = object(top.get(ADAPTATION_PLAN_KEY), ADAPTATION_PLAN_KEY);
  const isNnssl = adaptation !== null || pretrainPlan !== null || /MAE|^nnssl/.test(trainer ?? "");
  const sparse = /spark/i.test(trainer ?? "");
  return {
    ...NO_DOCUMENTS,
    origin: planned !== null ? "nnunet" : isNnssl ? "nnssl" : "unknown",
    format: "torch",
    kind: isNnssl && planned === null && !sparse && /MAE/.test(trainer ?? "") ? "mae" : null,
    leakyStem: isNnssl && sparse,
    maskBlock: isNnssl && planned === null && /MAE/.test(trainer ?? "") ? NNSSL_BLOCK : null,
    adaptationPlan: adaptation === null ? null : parsedPlan(adaptation, notes),
    pretrainPlan,
    plans: planned === null ? null : parsedPlans(planned, path, notes),
    configuration: text(args.get("configuration")) ?? text(args.get("configuration_name")),
    dataset: object(args.get("dataset_json"), "init_args.dataset_json"),
    trained: trainingFacts(top, args, trainer),
    notes,
  };
}

function parsedPlan(json: JsonObject, notes: string[]) {
  const parsed = adaptationPlanOf(json);
  if ("plan" in parsed) return parsed.plan;
  notes.push(`The adaptation plan was left out: ${parsed.fault}`);
  return null;
}

function parsedPlans(json: JsonObject, path: string, notes: string[]) {
  try {
    return parsePlans(json, `${path}, init_args.plans`);
  } catch (error) {
    if (!(error instanceof DataError) || error instanceof LayerError) throw error;
    notes.push(`The plans were left out: ${error.message}`);
    return null;
  }
}

function trainingFacts(top: TorchDict, args: TorchDict, trainer: string | null): TrainingFacts {
  const logging = top.get("logging");
  const losses = (name: string) => logging instanceof Map ? numbers(logging.get(name)) ?? [] : [];
  const fold = args.get("fold");
  return {
    trainer,
    epochs: whole(top.get("current_epoch")),
    steps: null,
    seed: null,
    fold: typeof fold === "string" ? fold : whole(fold),
    trainLosses: losses("train_losses"),
    valLosses: losses("val_losses"),
    // nnU-Net's predictor mirrors nothing where its checkpoints say none or nothing.
    mirrorAxes: numbers(top.get(MIRROR_AXES)) ?? (args.has("plans") || top.has(MIRROR_AXES) ? [] : null),
  };
}

function text(value: TorchValue | undefined): string | null {
  return typeof value === "string" ? value : null;
}

function whole(value: TorchValue | undefined): number | null {
  return Number.isSafeInteger(value) ? value as number : null;
}

function numbers(value: TorchValue | undefined): readonly number[] | null {
  if (!Array.isArray(value) || !value.every((one) => typeof one === "number" && Number.isFinite(one))) {
    return null;
  }
  return value as readonly number[];
}
