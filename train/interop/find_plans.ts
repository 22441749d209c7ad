import { DataError } from "../../data/errors.ts";
import { LayerError } from "../../data/nnunet/layer_arguments.ts";
import { parsePlans } from "../../data/nnunet/parse_plans.ts";
import type { Plans } from "../../data/nnunet/plans.ts";
import { readJsonFile } from "../../data/nnunet/read_json_file.ts";
import { ADAPTATION_PLAN_KEY, type AdaptationPlan, adaptationPlanOf } from "../adaptation_plan.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import type { ModelDocuments } from "./source.ts";
import { ModelFileError, type ReadModelOptions } from "./types.ts";

/** Configuration that nnU-Net trains unless told otherwise. */
const USUAL = "3d_fullres";

/**
 * Adds plans and dataset.json to what a file says: those that are named, else, where the file has none, those in its folder and the
 * one above, where nnU-Net puts them.
 *
 * @throws {ModelFileError} when a named file is neither plans nor an adaptation plan
 * @throws {DataError} when one cannot be read, or is of layers that are not computed here
 */
export async function completeDocuments(
  documents: ModelDocuments,
  path: string,
  options: ReadModelOptions,
): Promise<ModelDocuments> {
  const own = documents.network || documents.adaptationPlan || documents.plans ||
    documents.pretrainPlan;
  const plans = options.plans ?? (own ? null : await beside(path, "plans.json"));
  const dataset = options.dataset ??
    (documents.dataset || own && !documents.plans ? null : await beside(path, "dataset.json"));
  let complete = documents;
  try {
    if (plans !== null) complete = withPlans(documents, await readJsonFile(plans), plans);
  } catch (error) {
    const left = error instanceof DataError && !(error instanceof LayerError);
    if (options.plans !== undefined || !left) throw error;
    complete = noting(documents, `The plans beside the file were left out: ${error.message}`);
  }
  if (plans !== null && options.plans === undefined && complete.notes === documents.notes) {
    complete = noting(complete, `The plans are those in ${plans}`);
  }
  if (dataset !== null) {
    const content = await readJsonFile(dataset);
    complete = { ...complete, dataset: isJsonObject(content) ? content : null };
  }
  return complete.plans === null
    ? complete
    : { ...complete, configuration: chosen(complete, complete.plans) };
}

function noting(documents: ModelDocuments, note: string): ModelDocuments {
  return { ...documents, notes: [...documents.notes, note] };
}

/** Documents with the content of a plans file in place of their own plans. */
function withPlans(documents: ModelDocuments, content: unknown, file: string): ModelDocuments {
  const none = { adaptationPlan: null, plans: null, pretrainPlan: null };
  if (isJsonObject(content)) {
    const adaptation = content[ADAPTATION_PLAN_KEY] ?? ("architecture_plans" in content ? content : null);
    if (adaptation !== null) {
      return { ...documents, ...none, adaptationPlan: adaptationPlanIn(adaptation, file) };
    }
    if (isNnssl(content)) return { ...documents, ...none, pretrainPlan: content };
  }
  const plans = parsePlans(content, file);
  return {
    ...documents,
    ...none,
    plans,
    origin: documents.origin === "unknown" ? "nnunet" : documents.origin,
  };
}

function adaptationPlanIn(json: unknown, file: string): AdaptationPlan {
  const parsed = adaptationPlanOf(json);
  if ("plan" in parsed) return parsed.plan;
  throw new ModelFileError(
    `Cannot use the plans in ${file}: found ${parsed.fault}: name a plans.json of nnU-Net or nnssl, or an adaptation plan`,
    file,
  );
}

/** Plans of nnssl have configurations without networks. */
function isNnssl({ configurations }: JsonObject): boolean {
  return isJsonObject(configurations) &&
    Object.values(configurations).every((one) =>
      isJsonObject(one) && !("architecture" in one) && !("UNet_class_name" in one) &&
      !("inherits_from" in one)
    );
}

function chosen({ configuration }: ModelDocuments, { configurations }: Plans): string | null {
  if (configuration !== null && configuration in configurations) return configuration;
  if (USUAL in configurations) return USUAL;
  const names = Object.keys(configurations);
  return names.length === 1 ? names[0] : null;
}

async function beside(path: string, name: string): Promise<string | null> {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  for (const candidate of [`${folder}${name}`, `${folder}../${name}`]) {
    if ((await Deno.stat(candidate).catch(() => null))?.isFile) return candidate;
  }
  return null;
}
