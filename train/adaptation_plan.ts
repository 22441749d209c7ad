import { DataError } from "../data/errors.ts";
import { readJsonFile } from "../data/nnunet/read_json_file.ts";
import { readerOrientation } from "../data/nnunet/reader_orientation.ts";
import type { DatasetStore } from "../data/store.ts";
import type { Dims3 } from "../kernels/spec.ts";
import type { NetworkConfig } from "../model/config.ts";
import { architectureName, architecturePlan } from "./architecture_plan.ts";
import { z } from "./deps.ts";
import { isJsonObject } from "./merge_config.ts";

const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();
const order = triple.refine(
  (axes) => [0, 1, 2].every((axis) => axes.includes(axis)),
  "wanted 0, 1 and 2 once each",
);

/**
 * The plan of the data that weights were trained on, reduced to the configuration that was used. nnssl's have no
 * `orientation`: their reader tells whether the axes of the files were kept.
 */
const pretrainPlanSchema = z.preprocess(
  withOrientation,
  z.looseObject({
    dataset_name: z.string(),
    transpose_forward: order,
    transpose_backward: order,
    orientation: z.string().nullable(),
    configurations: z.record(
      z.string(),
      z.looseObject({
        normalization_schemes: z.array(z.string()).readonly(),
        spacing: triple.nullable(),
        patch_size: triple,
      }),
    ).readonly().refine((all) => Object.keys(all).length === 1, "wanted the one configuration that was used"),
  }),
);

function withOrientation(plan: unknown): unknown {
  if (!isJsonObject(plan) || plan.orientation !== undefined) return plan;
  return { ...plan, orientation: readerOrientation(plan.image_reader_writer) };
}

const adaptationPlanSchema = z.looseObject({
  key_to_encoder: z.string(),
  key_to_stem: z.string(),
  keys_to_in_proj: z.array(z.string()).readonly(),
  key_to_lpe: z.null(),
  architecture_plans: z.looseObject({
    arch_class_name: z.string(),
    arch_kwargs: z.record(z.string(), z.unknown()).nullish(),
  }),
  pretrain_num_input_channels: z.int().positive(),
  recommended_downstream_patchsize: triple,
  pretrain_plan: pretrainPlanSchema,
});

/** Plan of the data that weights were trained on, one configuration, its patch size filled in. */
export type PretrainPlan = Readonly<z.infer<typeof pretrainPlanSchema>>;

/** What a checkpoint tells whoever transfers its weights; the keys are those of nnssl's adaptation plan. */
export type AdaptationPlan = Readonly<z.infer<typeof adaptationPlanSchema>>;

/** Name of the metadata entry of a checkpoint that holds the plan, as JSON. */
export const ADAPTATION_PLAN_KEY = "nnssl_adaptation_plan";

/**
 * The adaptation plan of a network.
 *
 * @param patch patch size that it was trained with, voxels, and that is recommended for fine-tuning
 * @param data plan of its training data; fine-tuning plans, reduced to one configuration, are of that form
 */
export function adaptationPlan(network: NetworkConfig, patch: Dims3, data: PretrainPlan): AdaptationPlan {
  const architecture = architecturePlan(network);
  const stem = network.encoder === "residual" ? "encoder.stem" : "encoder.stages.0.0";
  return {
    key_to_encoder: "encoder.stages",
    key_to_stem: stem,
    keys_to_in_proj: [`${stem}.convs.0.conv`, `${stem}.convs.0.all_modules.0`],
    key_to_lpe: null,
    architecture_plans: {
      arch_class_name: architectureName(architecture),
      arch_kwargs: { ...architecture.arch_kwargs },
      arch_kwargs_requiring_import: architecture._kw_requires_import,
    },
    pretrain_num_input_channels: network.inputChannels,
    recommended_downstream_patchsize: patch,
    pretrain_plan: data,
  };
}

/** The configuration of a plan of one configuration. */
export function usedConfiguration(plan: PretrainPlan): PretrainPlan["configurations"][string] {
  return Object.values(plan.configurations)[0];
}

/**
 * The plan of a prepared store, reduced to the configuration that the store holds.
 *
 * @param patch patch size of the run, voxels
 * @throws {DataError} when nnsslPlans.json is missing or damaged
 */
export async function readPretrainPlan(
  store: Pick<DatasetStore, "path" | "index">,
  patch: Dims3,
): Promise<PretrainPlan> {
  const file = `${store.path}/nnsslPlans.json`;
  const { configuration, orientation } = store.index;
  const content = await readJsonFile(file) as { configurations?: Record<string, object> };
  const used = content?.configurations?.[configuration];
  const parsed = pretrainPlanSchema.safeParse({
    ...content,
    orientation,
    configurations: used === undefined ? {} : { [configuration]: { ...used, patch_size: patch } },
  });
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new DataError({
    file,
    found: `${path.join(".") || "the file"}: ${message}`,
    wanted: `the plan of configuration ${configuration}`,
    remedy: "prepare the data again into the same folder",
  });
}

/** What is read as an adaptation plan: the plan, or what is wrong with it. */
export type ParsedAdaptationPlan = { readonly plan: AdaptationPlan } | { readonly fault: string };

/** Reads an adaptation plan from the text in a file's metadata. */
export function parseAdaptationPlan(text: string | undefined): ParsedAdaptationPlan {
  if (text === undefined) return { fault: `no ${ADAPTATION_PLAN_KEY}` };
  try {
    return adaptationPlanOf(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { fault: `an ${ADAPTATION_PLAN_KEY} that is no JSON` };
  }
}

/** Reads an adaptation plan from a value of JSON. */
export function adaptationPlanOf(json: unknown): ParsedAdaptationPlan {
  const parsed = adaptationPlanSchema.safeParse(json);
  if (parsed.success) return { plan: parsed.data };
  const [{ path, message }] = parsed.error.issues;
  return { fault: `${[ADAPTATION_PLAN_KEY, ...path].join(".")}: ${message}` };
}
