import manifest from "../../deno.json" with { type: "json" };
import type { DataFacts, TrainingRecord } from "./training_record.ts";
import type { ModelFile, ModelKind, ModelOrigin } from "./types.ts";

/** Where weights come from, as it travels with them; it names no person, path or file. */
export interface Provenance {
  readonly format: "spark3d-provenance-1";
  /** Version that wrote the file. */
  readonly exportedBy: string;
  readonly origin: ModelOrigin;
  /** Version that trained, for networks trained here. */
  readonly trainedBy: string | null;
  readonly trainer: string | null;
  readonly method: ModelKind;
  readonly adapter: string | null;
  readonly precision: string | null;
  readonly seed: number | null;
  readonly steps: number | null;
  readonly epochs: number | null;
  readonly data: DataFacts | null;
  /** SPDX identifier, or "other" where nobody stated one. */
  readonly licence: string;
}

/** Licence of weights for which nobody stated one. */
export const UNSTATED_LICENCE = "other";

/**
 * Where a model comes from.
 *
 * @param licence SPDX identifier of the weights; the record's when absent
 */
export function provenanceOf(
  model: ModelFile,
  record: TrainingRecord,
  licence: string = record.licence ?? UNSTATED_LICENCE,
): Provenance {
  const { origin, kind, config, trained } = model;
  const precision = config?.precision;
  return {
    format: "spark3d-provenance-1",
    exportedBy: `spark3d ${manifest.version}`,
    origin,
    trainedBy: record.versions.spark3d ? `spark3d ${record.versions.spark3d}` : null,
    trainer: trained.trainer,
    method: kind,
    adapter: record.adapter,
    precision: typeof precision === "string" ? precision : null,
    seed: trained.seed,
    steps: trained.steps,
    epochs: trained.epochs,
    data: dataOf(model, record),
    licence,
  };
}

/** Counts of the training data, with the name that the plans give them where the run folder has none. */
export function dataOf(model: ModelFile, { data }: TrainingRecord): DataFacts | null {
  const name = model.plans?.dataset_name ?? model.adaptationPlan?.pretrain_plan.dataset_name;
  if (data !== null) return data.name === "" ? { ...data, name: name ?? "unnamed" } : data;
  if (name === undefined) return null;
  const cases = model.dataset?.numTraining;
  return {
    name,
    volumes: typeof cases === "number" ? cases : null,
    train: null,
    val: null,
    rejected: null,
    modalities: {},
  };
}
