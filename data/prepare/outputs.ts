import { writeFileAtomic, writeJsonAtomic } from "../atomic.ts";
import { DataError } from "../errors.ts";
import type { DatasetFingerprint } from "../fingerprint.ts";
import { planDataset } from "../plan.ts";
import type { DatasetPlan } from "../plan.ts";
import {
  type PretrainData,
  pretrainEntries,
  type PretrainImage,
  writePretrainData,
} from "../pretrain_data.ts";
import { reuseSplit, splitSubjects, type SubjectSplit } from "../split.ts";
import {
  type RejectedImage,
  STORE_FILE,
  STORE_VERSION,
  type StoreIndex,
  type StoreVolume,
  writeStoreIndex,
} from "../store_index.ts";
import type { Rejection } from "../filters/mod.ts";
import type { SurveyedImage } from "./survey.ts";

/** Everything about a run that its outputs depend on, beside what became of the voxels. Plain values. */
export interface RunFacts {
  readonly head: Pick<StoreIndex, "collection" | "configuration" | "dtype" | "compression" | "orientation">;
  readonly splitSeed: number;
  /** As the user named it, for messages. */
  readonly source: string;
  readonly fingerprint: DatasetFingerprint;
  readonly images: readonly SurveyedImage[];
}

/** What became of the voxels, by image id. */
export interface Outcome {
  readonly volumes: ReadonlyMap<string, StoreVolume>;
  /** Images whose header was fine and that were left out all the same. */
  readonly rejected: ReadonlyMap<string, Rejection>;
}

/** Name of the file that says what became of every image. */
export const REPORT_FILE = "report.jsonl";

/** Writes dataset_fingerprint.json and nnsslPlans.json. @throws {DataError} when they cannot be written */
export async function writePlan(out: string, { head, fingerprint }: RunFacts): Promise<DatasetPlan> {
  const plan = planDataset(head.collection, fingerprint, head.orientation);
  await writeJsonAtomic(`${out}/dataset_fingerprint.json`, fingerprint);
  await writeJsonAtomic(`${out}/nnsslPlans.json`, plan);
  return plan;
}

/**
 * Writes what a store has beside its volumes: splits_final.json, pretrain_data__CONFIGURATION.json, report.jsonl, and last store.json,
 * which makes it a store. The same facts and outcome give the same bytes.
 *
 * @returns the index and remarks for the user
 * @throws {DataError} when a file cannot be written; when no image is usable, which is written too
 */
export async function writeOutputs(
  out: string,
  data: PretrainData,
  facts: RunFacts,
  outcome: Outcome,
): Promise<{ index: StoreIndex; warnings: string[] }> {
  const index = storeIndex(facts, outcome);
  await writeReport(out, facts, outcome);
  if (index.volumes.length === 0) {
    await writeStoreIndex(out, index);
    throw nothingUsable(out, facts, index.rejected);
  }
  const { split, warnings } = await writeSplit(out, index.volumes, facts.splitSeed);
  await writePreparedData(out, data, facts, outcome);
  const complete = { ...index, split };
  await writeStoreIndex(out, complete);
  return { index: complete, warnings: [...warnings, ...filterWarnings(facts.images)] };
}

/** The index of what is there, without a split. */
export function storeIndex({ head, images }: RunFacts, { volumes, rejected }: Outcome): StoreIndex {
  return {
    format: "spark3d-store",
    version: STORE_VERSION,
    ...head,
    volumes: images.flatMap(({ id }) => volumes.get(id) ?? []),
    rejected: images.flatMap(({ id, file, rejection }): RejectedImage[] => {
      const reason = (rejection ?? rejected.get(id))?.reason;
      return reason === undefined ? [] : [{ id, file, reason }];
    }),
    split: { train: [], val: [] },
  };
}

/** How many images each check or filter left out, the most frequent first. */
export function countRejections({ images }: RunFacts, { rejected }: Outcome): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { id, rejection } of images) {
    const rule = (rejection ?? rejected.get(id))?.rule;
    if (rule !== undefined) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]));
}

function nothingUsable(out: string, { source }: RunFacts, rejected: readonly RejectedImage[]): DataError {
  return new DataError({
    file: source,
    found: `no usable image among ${rejected.length} (first: ${rejected[0]?.reason ?? "none"})`,
    wanted: "at least one readable 3-D NIfTI image",
    remedy: `see the reasons in ${out}/${STORE_FILE}`,
  });
}

/** One line for each image that was listed, in that order. */
async function writeReport(out: string, { images }: RunFacts, outcome: Outcome): Promise<void> {
  const lines = images.map(({ id, file, rejection, warnings, sourceShape, sourceSpacing }) => {
    const volume = outcome.volumes.get(id), why = rejection ?? outcome.rejected.get(id);
    return JSON.stringify({
      id,
      file,
      status: volume ? "prepared" : "rejected",
      ...(volume ? {} : why),
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(volume ? { shape: volume.shape, spacing: volume.spacing } : {}),
      ...(sourceShape ? { sourceShape, sourceSpacing } : {}),
    }) + "\n";
  });
  await writeFileAtomic(`${out}/${REPORT_FILE}`, lines.join(""));
}

/**
 * Splits the usable subjects, keeping the sides of an earlier splits_final.json, and writes that file.
 *
 * @returns the split and remarks for the user
 * @throws {DataError} when it cannot be written
 */
async function writeSplit(
  out: string,
  volumes: readonly StoreVolume[],
  seed: number,
): Promise<{ split: SubjectSplit; warnings: string[] }> {
  const path = `${out}/splits_final.json`;
  const subjects = volumes.map(({ subject }) => subject);
  const stored = await readStoredSplit(path);
  const split: SubjectSplit = (stored && reuseSplit(stored, subjects)) ?? splitSubjects(subjects, seed);
  await writeJsonAtomic(path, split);
  const alone = split.train.length === 1 && split.val[0] === split.train[0];
  const warnings = alone
    ? [`Only one usable subject (${split.train[0]}): it serves both training and validation`]
    : [];
  return { split, warnings };
}

async function readStoredSplit(path: string): Promise<SubjectSplit | null> {
  try {
    const { train, val } = JSON.parse(await Deno.readTextFile(path));
    return Array.isArray(train) && Array.isArray(val) ? { train, val } : null;
  } catch {
    return null;
  }
}

/** Writes the collection with the paths of the prepared arrays, without unusable images; a split 4-D file becomes several. */
async function writePreparedData(
  out: string,
  data: PretrainData,
  { head, images }: RunFacts,
  { volumes }: Outcome,
): Promise<void> {
  const root = await Deno.realPath(out);
  const byEntry = Map.groupBy(images.filter(({ id }) => volumes.has(id)), ({ entry }) => entry);
  const copy = structuredClone(data);
  const prepared = new Map<PretrainImage, PretrainImage[]>();
  for (const [position, { image }] of pretrainEntries(copy).entries()) {
    const copies = (byEntry.get(position) ?? []).map(({ id, name }): PretrainImage => {
      const { path, masks } = volumes.get(id)!;
      const absolute = (mask: { readonly path: string } | undefined) => mask ? `${root}/${mask.path}` : null;
      return {
        ...image,
        name,
        image_path: `${root}/${path}`,
        associated_masks: {
          ...image.associated_masks,
          anonymization_mask: absolute(masks?.anonymization),
          anatomy_mask: absolute(masks?.anatomy),
        },
      };
    });
    prepared.set(image, copies);
  }
  for (const { subjects } of Object.values(copy.datasets)) {
    for (const { sessions } of Object.values(subjects)) {
      for (const session of Object.values(sessions)) {
        session.images = session.images.flatMap((image) => prepared.get(image) ?? []);
      }
    }
  }
  await writePretrainData(`${out}/pretrain_data__${head.configuration}.json`, copy);
}

/** One line for each kind of warning about kept images: how many have it, and the file when it is one. */
function filterWarnings(images: readonly SurveyedImage[]): string[] {
  const kinds = new Map<string, string[]>();
  for (const { file, warnings, rejection } of images) {
    if (rejection) continue;
    for (const warning of warnings) {
      const files = kinds.get(warning);
      if (files) files.push(file);
      else kinds.set(warning, [file]);
    }
  }
  return [...kinds].map(([warning, files]) =>
    files.length === 1 ? `${files[0]}: ${warning}` : `${files.length} images: ${warning} (first: ${files[0]})`
  );
}
