import { type LabelSet, parseLabels } from "../../data/nnunet/labels.ts";
import type { ConfigurationPlan, Plans } from "../../data/nnunet/plans.ts";
import { readSafetensors, readSafetensorsHeader } from "../../data/safetensors_file.ts";
import type { NetworkConfig } from "../../model/config.ts";
import { ADAPTATION_PLAN_KEY, adaptationPlan, type PretrainPlan } from "../adaptation_plan.ts";
import { checkpointFile, type CheckpointKind } from "../checkpoint_file.ts";
import { CheckpointError, loadState, writeState } from "../checkpoint_state.ts";
import { MODEL_FORMAT } from "../interop/model_format.ts";
import type { JsonObject } from "../merge_config.ts";
import { type FinetuneConfig, finetuneNetwork } from "./config.ts";
import type { FinetuneSession } from "./session.ts";
import { networkParameters } from "./step.ts";

/** Version of the file's content; stands in its metadata. */
const FORMAT = "spark3d-finetuned-1";

/** A fine-tuned network with everything that segmenting a new scan takes. */
export interface FinetunedModel {
  /** The checkpoint file. */
  readonly path: string;
  readonly config: FinetuneConfig;
  readonly network: NetworkConfig;
  readonly plans: Plans;
  /** The configuration of `plans` that it was trained with. */
  readonly configuration: ConfigurationPlan;
  readonly labels: LabelSet;
  /** Content of dataset.json. */
  readonly dataset: JsonObject;
  /** Weights by PyTorch key, C order; optimiser states left out. */
  readonly weights: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/** Where a fine-tuning run stands. Crops and augmentations depend on (seed, step) alone. */
export interface FinetuneProgress {
  /** Completed optimiser steps. */
  readonly step: number;
  /** First epoch of the stage whose optimiser states the file holds. */
  readonly stage: number;
  /** Whether transfer adapted the stem to another number of channels. */
  readonly stemAdapted: boolean;
  /** Exponential average of the mean pseudo Dice, and its highest value; null before the first validation. */
  readonly emaDice: number | null;
  readonly bestEmaDice: number | null;
}

/** What a checkpoint tells of the data, beside the run's state. */
export interface FinetuneDocuments {
  readonly plans: Plans;
  /** Content of dataset.json. */
  readonly dataset: JsonObject;
}

/**
 * Writes weights, optimiser state, loss scale and progress as safetensors, atomically. Equal state gives equal bytes.
 *
 * Metadata: `format`, `progress`, `seed`, `config`, `configuration`, `plans`, `dataset` and `nnssl_adaptation_plan`, JSON all but the
 * first.
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export async function saveFinetuned(
  path: string,
  session: FinetuneSession,
  progress: FinetuneProgress,
  { plans, dataset }: FinetuneDocuments,
): Promise<void> {
  const { config } = session;
  const name = config.configuration;
  const data: PretrainPlan = {
    ...plans,
    orientation: plans.orientation ?? null,
    configurations: { [name]: { ...plans.configurations[name], patch_size: config.patch } },
  };
  await writeState(path, session, {
    format: FORMAT,
    progress: JSON.stringify(progress),
    configuration: JSON.stringify(name),
    plans: JSON.stringify(plans),
    dataset: JSON.stringify(dataset),
    [ADAPTATION_PLAN_KEY]: JSON.stringify(adaptationPlan(finetuneNetwork(config), config.patch, data)),
  });
}

/** Reads where the run of a checkpoint stands. @throws {CheckpointError} when it is not one of a fine-tuning run */
export async function readProgress(path: string): Promise<FinetuneProgress> {
  const { metadata } = await readSafetensorsHeader(path);
  requireFormat("resume from", path, metadata, [FORMAT]);
  return JSON.parse(metadata.progress);
}

/**
 * Loads the state of a checkpoint into a session.
 *
 * @param weightsOnly the checkpoint stands at the end of the stage before: the optimiser starts afresh
 * @throws {CheckpointError} when the file belongs to another network, optimiser or precision
 */
export async function loadFinetuned(
  path: string,
  session: FinetuneSession,
  weightsOnly: boolean,
): Promise<void> {
  await loadState(path, session, { format: FORMAT, weightsOnly });
}

/**
 * Reads a fine-tuned model.
 *
 * @param path a checkpoint of a fine-tuning run, its run folder, or an imported segmentation network
 * @param kind which checkpoint of a folder; the first of final, best and latest that there is when left out
 * @throws {CheckpointError} when there is no such checkpoint, or it is not one of a fine-tuned network
 * @throws {SafetensorsError | DataError} when it is damaged or cannot be read
 */
export async function readFinetuned(path: string, kind?: CheckpointKind): Promise<FinetunedModel> {
  const file = await checkpointFile(path, kind);
  const { metadata } = await readSafetensorsHeader(file);
  requireFormat("read a fine-tuned model from", file, metadata, [FORMAT, MODEL_FORMAT]);
  if (metadata.config === undefined || metadata.plans === undefined || metadata.dataset === undefined) {
    throw new CheckpointError(
      `Cannot segment with ${file}: found weights without labels, wanted a segmentation network: ` +
        `fine-tune it first: spark3d finetune DATASET --from ${file}`,
      file,
    );
  }
  const config: FinetuneConfig = JSON.parse(metadata.config);
  const plans: Plans = JSON.parse(metadata.plans);
  const dataset: JsonObject = JSON.parse(metadata.dataset);
  const names = networkParameters(config).map(({ name }) => name);
  const { tensors } = await readSafetensors(file, names);
  return {
    path: file,
    config,
    network: finetuneNetwork(config),
    plans,
    configuration: plans.configurations[config.configuration],
    labels: parseLabels(dataset, `the dataset.json in ${file}`),
    dataset,
    weights: new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array<ArrayBuffer>])),
  };
}

function requireFormat(
  action: string,
  path: string,
  { format }: Readonly<Record<string, string>>,
  wanted: readonly string[],
): void {
  if (wanted.includes(format)) return;
  throw new CheckpointError(
    `Cannot ${action} ${path}: found format ${format ?? "none"}, wanted ${wanted.join(" or ")}: ` +
      `name a run folder or a checkpoint of spark3d finetune`,
    path,
  );
}
