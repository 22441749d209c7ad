import { channelNamesIn } from "../../data/nnunet/description.ts";
import type { Plans } from "../../data/nnunet/plans.ts";
import type { AdaptationPlan } from "../adaptation_plan.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import { readerFor } from "./nnssl_plan.ts";

/** Entries of a dataset.json that describe the data and name no case and no file. */
const DATASET_ENTRIES = [
  "name",
  "channel_names",
  "labels",
  "regions_class_order",
  "numTraining",
  "file_ending",
  "overwrite_image_reader_writer",
  "licence",
  "license",
  "release",
  "reference",
] as const;

/** Plans without the places of files: `pretrain_info` keeps the name of a checkpoint and loses its path. */
export function publicPlans<P extends object>(plans: P): P {
  const { pretrain_info: info } = plans as { readonly pretrain_info?: unknown };
  if (!isJsonObject(info)) return plans;
  const { checkpoint_path: _path, ...rest } = info;
  return { ...plans, pretrain_info: rest };
}

/** An adaptation plan without the places of files; that of a fine-tuned network holds its plans. */
export function publicAdaptationPlan(plan: AdaptationPlan): AdaptationPlan {
  return { ...plan, pretrain_plan: publicPlans(plan.pretrain_plan) };
}

/** A dataset.json without lists of cases and without free text: {@linkcode DATASET_ENTRIES} alone, channels by their present name. */
export function publicDataset(dataset: JsonObject): JsonObject {
  const named: JsonObject = { ...dataset, channel_names: channelNamesIn(dataset) };
  const kept = DATASET_ENTRIES.filter((key) => named[key] !== undefined);
  return Object.fromEntries(kept.map((key) => [key, named[key]]));
}

/**
 * Plans as nnU-Net reads them, without the places of files. Our own `orientation` goes; where volumes were turned to right, anterior,
 * superior, the reader that does the same stands in its place.
 */
export function nnunetPlans(plans: Plans): Omit<Plans, "orientation"> {
  const { orientation, image_reader_writer, ...rest } = publicPlans(plans);
  const reader = orientation ? readerFor(orientation) : null;
  return { ...rest, image_reader_writer: reader ?? image_reader_writer };
}
