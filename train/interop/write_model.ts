import type { SafetensorsSource } from "../../data/safetensors_file.ts";
import { writeSafetensors } from "../../data/safetensors_file.ts";
import { elementCount } from "../../kernels/spec.ts";
import { ADAPTATION_PLAN_KEY } from "../adaptation_plan.ts";
import { MODEL_FORMAT, MODEL_KEY } from "./model_format.ts";
import { modelRecord } from "./model_record.ts";
import type { Provenance } from "./provenance.ts";
import { segmentationConfig } from "./segmentation_config.ts";
import { PROVENANCE_KEY } from "./training_record.ts";
import { type ImportSummary, type ModelFile, ModelFileError } from "./types.ts";

/**
 * Writes a model as safetensors, atomically, one tensor in memory at a time: float32, by parameter name, with the metadata that
 * fine-tuning, prediction and `readModel` need. Equal models give equal bytes.
 *
 * Metadata: `format`, `licence`, `provenance`, `model` (what the weights are), `nnssl_adaptation_plan` where known, and for
 * segmentation networks `config`, `configuration`, `plans` and `dataset`; JSON all but the first two.
 *
 * @throws {ModelFileError} when tensors of the encoder are missing, or any of a network that segments
 * @throws {SafetensorsError | TorchError | DataError} when the source is damaged or the folder is not writable
 */
export async function writeModel(
  model: ModelFile,
  out: string,
  provenance: Provenance,
): Promise<ImportSummary> {
  requireComplete(model);
  const tensors = new Map([...model.tensors].map(([name, { shape, read }]): [string, SafetensorsSource] => [
    name,
    { dtype: "F32", shape, data: read },
  ]));
  await writeSafetensors(out, tensors, {
    [PROVENANCE_KEY]: JSON.stringify(provenance),
    licence: provenance.licence,
    ...modelMetadata(model),
  });
  return {
    out,
    bytes: (await Deno.stat(out)).size,
    tensors: tensors.size,
    parameters: [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
  };
}

/** Metadata of a file of weights. */
function modelMetadata(model: ModelFile): Record<string, string> {
  const { kind, network, leakyStem, maskBlock, origin, configuration, trained, assumptions } = model;
  const facts = { origin, kind, network, leakyStem, maskBlock, configuration, trained, assumptions };
  const record = modelRecord.parse(facts); // in the schema's order of keys, whatever the source's
  const config = kind === "segmentation" ? segmentationConfig(model) : model.config;
  const entries: Readonly<Record<string, unknown>> = {
    [MODEL_KEY]: record,
    [ADAPTATION_PLAN_KEY]: model.adaptationPlan,
    config,
    ...(kind === "segmentation" ? { configuration, plans: model.plans, dataset: model.dataset } : {}),
  };
  const present = Object.entries(entries).filter(([, value]) => value !== null && value !== undefined);
  return {
    format: MODEL_FORMAT,
    ...Object.fromEntries(present.map(([name, value]) => [name, JSON.stringify(value)])),
  };
}

function requireComplete({ path, kind, report: { missing } }: ModelFile): void {
  const needed = missing.filter((name) => kind === "segmentation" || name.startsWith("encoder."));
  if (needed.length === 0) return;
  throw new ModelFileError(
    `Cannot take over ${path}: found ${needed.length} tensors missing (${needed[0]}), wanted a complete ${
      kind === "segmentation" ? "network" : "encoder"
    }: use a complete checkpoint`,
    path,
  );
}
