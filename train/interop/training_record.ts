import { readSafetensorsHeader } from "../../data/safetensors_file.ts";
import { readStoreIndex } from "../../data/store_index.ts";
import { z } from "../deps.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import { runPaths } from "../run_folder.ts";
import { RunLog } from "../run_log.ts";
import { SPDX } from "./export_types.ts";

const count = z.int().nonnegative();

const dataFactsSchema = z.object({
  /** Name of the collection or data set. */
  name: z.string(),
  /** Volumes, or cases with labels. */
  volumes: count.nullable(),
  /** Subjects (pre-training) or cases (fine-tuning) that were trained on and validated with. */
  train: count.nullable(),
  val: count.nullable(),
  rejected: count.nullable(),
  /** Volumes of every modality; empty where unknown. */
  modalities: z.record(z.string(), count),
}).readonly();

/** Counts of the data that a network learned from; no name of a subject, a case or a file. */
export type DataFacts = z.infer<typeof dataFactsSchema>;

/** Name of the metadata entry of an exported file that says where its weights come from, as JSON. */
export const PROVENANCE_KEY = "provenance";

/** What a record takes over from the provenance of an exported file. */
const keptProvenance = z.object({
  trainedBy: z.string().nullable(),
  adapter: z.string().nullable(),
  data: dataFactsSchema.nullable(),
  licence: z.string().regex(SPDX),
});

/** A validation of a run. */
export interface ValidationPoint {
  readonly step: number;
  readonly loss: number;
}

/** What a run folder tells beside its checkpoints; null where it does not. */
export interface TrainingRecord {
  /** Adapter that trained. */
  readonly adapter: string | null;
  /** Versions of the programs that trained. */
  readonly versions: Readonly<Record<string, string>>;
  /** Content of summary.json. */
  readonly summary: JsonObject | null;
  readonly data: DataFacts | null;
  /** Licence that an exported file states, an SPDX identifier. */
  readonly licence: string | null;
  /** Validation losses, in order. */
  readonly validation: readonly ValidationPoint[];
}

/** What is known of a file that lies in no run folder. */
const NOTHING: TrainingRecord = {
  adapter: null,
  versions: {},
  summary: null,
  data: null,
  licence: null,
  validation: [],
};

/**
 * Reads what a run folder tells, or the provenance of an exported file. Files that are missing or damaged count as telling nothing: a
 * record adds to a card, and weights can be handed over without it.
 *
 * @param path run folder, a checkpoint in one, or a file
 */
export async function readTrainingRecord(path: string): Promise<TrainingRecord> {
  const folder = await runFolderOf(path);
  if (folder === null) return await exportedRecord(path);
  const paths = runPaths(folder);
  const record = await readObject(paths.record);
  const summary = await readObject(paths.summary);
  if (record === null) return { ...NOTHING, summary };
  const { adapter, versions } = record;
  return {
    adapter: isJsonObject(adapter) && typeof adapter.adapter === "string" ? adapter.adapter : null,
    versions: isJsonObject(versions) ? versions as Record<string, string> : {},
    summary,
    data: await storeFacts(folder, record) ?? casesOf(summary, record),
    licence: null,
    validation: readValidation(paths.log),
  };
}

/** The run folder that a path means: itself, or the folder of the checkpoints that it names; null for other files. */
export async function runFolderOf(path: string): Promise<string | null> {
  const has = (folder: string) => Deno.stat(runPaths(folder).record).then(() => true, () => false);
  if (await has(path)) return path;
  const folder = /^(.*)[/\\]checkpoints[/\\][^/\\]+$/.exec(path)?.[1];
  return folder !== undefined && await has(folder) ? folder : null;
}

/** What the metadata of an exported safetensors file tell. */
async function exportedRecord(path: string): Promise<TrainingRecord> {
  try {
    const { metadata } = await readSafetensorsHeader(path);
    const { trainedBy, adapter, data, licence } = keptProvenance.parse(JSON.parse(metadata[PROVENANCE_KEY]));
    const version = /^spark3d (\S+)$/.exec(trainedBy ?? "")?.[1];
    return { ...NOTHING, adapter, data, licence, versions: version ? { spark3d: version } : {} };
  } catch {
    return NOTHING;
  }
}

async function readObject(path: string): Promise<JsonObject | null> {
  try {
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Facts of the store of a pre-training run; null where it is not there any more, or the run has none. */
async function storeFacts(folder: string, record: JsonObject): Promise<DataFacts | null> {
  const inputs = await readObject(`${folder}/inputs.json`);
  const places = [inputs?.store, record.store].filter((one) => typeof one === "string");
  for (const place of places.flatMap((one) => one.startsWith("/") ? [one] : [`${folder}/${one}`, one])) {
    try {
      const { collection, volumes, rejected, split } = readStoreIndex(place);
      const modalities = new Map<string, number>();
      for (const { modality } of volumes) modalities.set(modality, (modalities.get(modality) ?? 0) + 1);
      return {
        name: collection,
        volumes: volumes.length,
        train: split.train.length,
        val: split.val.length,
        rejected: rejected.length,
        modalities: Object.fromEntries([...modalities].sort(([a], [b]) => a < b ? -1 : 1)),
      };
    } catch {
      continue;
    }
  }
  return null;
}

/** Counts in a summary: of a pre-training run whose store is gone, or of a fine-tuning run. */
function casesOf(summary: JsonObject | null, record: JsonObject): DataFacts | null {
  const number = (value: unknown) => typeof value === "number" ? value : null;
  const { data, cases } = summary ?? {};
  if (isJsonObject(data)) {
    return {
      name: "",
      volumes: number(data.volumes),
      train: number(data.trainSubjects),
      val: number(data.valSubjects),
      rejected: Array.isArray(data.rejected) ? data.rejected.length : null,
      modalities: {},
    };
  }
  if (!isJsonObject(cases)) return null;
  const [train, val] = [number(cases.train), number(cases.val)];
  const all = isJsonObject(record.config) && record.config.fold === "all";
  const volumes = train === null || val === null ? null : all ? Math.max(train, val) : train + val;
  return { name: "", volumes, train, val, rejected: null, modalities: {} };
}

/** Validation losses of a run log; none where it cannot be read. */
function readValidation(path: string): ValidationPoint[] {
  try {
    const unfinished = Deno.statSync(path) && exists(`${path}-wal`);
    using log = RunLog.open(path, unfinished ? { readOnly: true } : { immutable: true });
    return log.metric("valLoss").filter(({ value }) => Number.isFinite(value))
      .map(({ step, value }) => ({ step: step + 1, loss: value }));
  } catch {
    return [];
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
