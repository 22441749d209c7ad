import { ADAPTATION_PLAN_KEY, parseAdaptationPlan } from "../adaptation_plan.ts";
import { type RunConfig, runConfigSchema } from "../config.ts";
import { type FinetuneConfig, finetuneConfigSchema, finetuneNetwork } from "../finetune/config.ts";
import { parsePlans } from "../../data/nnunet/parse_plans.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import { z } from "../deps.ts";
import { maeConfig } from "../step.ts";
import { MODEL_FORMAT, MODEL_KEY } from "./model_format.ts";
import { modelRecord } from "./model_record.ts";
import { type ModelDocuments, NO_DOCUMENTS, UNKNOWN_TRAINING } from "./source.ts";
import { ModelFileError } from "./types.ts";

type Metadata = Readonly<Record<string, string>>;

/** The keys of a pre-training configuration that say what the weights are; others may be of another version. */
const pretrainKeys = z.looseObject({
  network: runConfigSchema.shape.network,
  mask: runConfigSchema.shape.mask,
  seed: z.number(),
  stepsPerEpoch: z.int().positive(),
});

/** Those of a fine-tuning configuration. */
const finetuneKeys = z.looseObject({
  configuration: z.string(),
  network: finetuneConfigSchema.shape.network,
  patch: finetuneConfigSchema.shape.patch,
  deepSupervision: z.boolean(),
  init: finetuneConfigSchema.shape.init,
  augmentation: finetuneConfigSchema.shape.augmentation,
  fold: finetuneConfigSchema.shape.fold,
  seed: z.number(),
  stepsPerEpoch: z.int().positive(),
});

/**
 * What the metadata of a safetensors file say; a file without `format` of spark3d says only its adaptation plan, if any.
 *
 * @throws {ModelFileError} when an entry is damaged
 */
export function spark3dDocuments(metadata: Metadata, path: string): ModelDocuments {
  const entry = (name: string): JsonObject | null => jsonEntry(metadata, name, path);
  const parsed = parseAdaptationPlan(metadata[ADAPTATION_PLAN_KEY]);
  const adaptationPlan = "plan" in parsed ? parsed.plan : null;
  const lost = adaptationPlan === null && metadata[ADAPTATION_PLAN_KEY] !== undefined;
  const notes = lost && "fault" in parsed ? [`The adaptation plan was left out: ${parsed.fault}`] : [];
  const common = { ...NO_DOCUMENTS, format: "safetensors", adaptationPlan, notes };
  const refuse = (what: string): never => {
    throw new ModelFileError(
      `Cannot read ${path}: found ${what} in its metadata, wanted those that spark3d wrote: use another copy of the file`,
      path,
    );
  };
  switch (metadata.format) {
    case "spark3d-checkpoint-1": {
      const config = pretrainKeys.safeParse(entry("config"));
      return config.success
        ? pretrained(common, config.data as unknown as RunConfig, metadata)
        : refuse(`a damaged config (${faultOf(config.error)})`);
    }
    case "spark3d-finetuned-1": {
      const config = finetuneKeys.safeParse(entry("config"));
      if (!config.success) return refuse(`a damaged config (${faultOf(config.error)})`);
      const segmentation = { plans: entry("plans"), dataset: entry("dataset"), progress: entry("progress") };
      return finetuned(common, config.data as unknown as FinetuneConfig, segmentation, path);
    }
    case MODEL_FORMAT: {
      const record = modelRecord.safeParse(entry(MODEL_KEY));
      if (!record.success) return refuse(`a damaged ${MODEL_KEY} (${faultOf(record.error)})`);
      const plans = entry("plans");
      return {
        ...common,
        ...record.data,
        format: MODEL_FORMAT,
        plans: plans && parsePlans(plans, path),
        dataset: entry("dataset"),
        config: entry("config"),
      };
    }
    default:
      return common;
  }
}

function pretrained(common: ModelDocuments, config: RunConfig, { step }: Metadata): ModelDocuments {
  const { kind, network, leakyStem } = maeConfig(config);
  const steps = Number(step);
  return {
    ...common,
    origin: "spark3d",
    format: "spark3d-checkpoint-1",
    kind,
    network,
    leakyStem,
    maskBlock: config.mask.block,
    configuration: Object.keys(common.adaptationPlan?.pretrain_plan.configurations ?? {})[0] ?? null,
    config,
    trained: {
      ...UNKNOWN_TRAINING,
      epochs: Math.floor(steps / config.stepsPerEpoch),
      steps,
      seed: config.seed,
    },
  };
}

function finetuned(
  common: ModelDocuments,
  config: FinetuneConfig,
  { plans, dataset, progress }: {
    readonly plans: JsonObject | null;
    readonly dataset: JsonObject | null;
    readonly progress: JsonObject | null;
  },
  path: string,
): ModelDocuments {
  const steps = Number(progress?.step);
  const { enabled, mirrorProbability, mirrorAxes } = config.augmentation;
  return {
    ...common,
    origin: "spark3d",
    format: "spark3d-finetuned-1",
    kind: "segmentation",
    network: finetuneNetwork(config),
    plans: plans && parsePlans(plans, path),
    configuration: config.configuration,
    dataset,
    config,
    trained: {
      ...UNKNOWN_TRAINING,
      epochs: Math.floor(steps / config.stepsPerEpoch),
      steps,
      seed: config.seed,
      fold: config.fold,
      mirrorAxes: enabled && mirrorProbability > 0 ? mirrorAxes : [],
    },
  };
}

function faultOf({ issues: [{ path, message }] }: z.ZodError): string {
  return path.length > 0 ? `${path.join(".")}: ${message}` : message;
}

function jsonEntry(metadata: Metadata, name: string, path: string): JsonObject | null {
  if (metadata[name] === undefined) return null;
  try {
    const json: unknown = JSON.parse(metadata[name]);
    if (isJsonObject(json)) return json;
  } catch {
    // said below
  }
  throw new ModelFileError(
    `Cannot read ${path}: found a damaged ${name} in its metadata, wanted a JSON object: use another copy of the file`,
    path,
  );
}
