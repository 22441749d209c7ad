import { channelNamesIn } from "../../data/nnunet/description.ts";
import { isJsonObject, type JsonObject } from "../merge_config.ts";
import { type CardRow, digits, extents, factTable, plainText } from "./card_text.ts";
import type { DataFacts, TrainingRecord } from "./training_record.ts";
import type { ModelFile } from "./types.ts";

/** Settings of the training run, as far as the file tells. */
export function trainingTable(model: ModelFile, record: TrainingRecord): string {
  const { config, trained } = model;
  const object = (key: string): JsonObject => {
    const value = config?.[key];
    return isJsonObject(value) ? value : {};
  };
  const text = (value: unknown) => typeof value === "string" || typeof value === "number" ? value : null;
  const { kind, lr, momentum, weightDecay } = object("optimizer");
  const ratio = object("mask").ratio;
  const rows: CardRow[] = [
    ["Trainer", trained.trainer],
    ["Started from", text(model.plans?.pretrain_info?.checkpoint_name)],
    ["Epochs finished", trained.epochs],
    ["Optimizer steps", trained.steps],
    ["Steps of an epoch", text(config?.stepsPerEpoch)],
    ["Batch", text(object("batch").size)],
    ["Loss", model.kind === "segmentation" && config ? "soft Dice and cross-entropy" : text(config?.loss)],
    ["Optimizer", text(kind)],
    ["Peak learning rate", text(lr)],
    ["Momentum", text(momentum)],
    ["Weight decay", text(weightDecay)],
    ["Schedule", text(object("schedule").kind)],
    ["Gradient norm limit", text(config?.clipNorm)],
    ["Hidden share of blocks", isJsonObject(ratio) ? ratioText(ratio) : null],
    ["Edge of a mask block, voxels", model.maskBlock],
    ["Stem sees hidden voxels", config && model.leakyStem ? "yes, as in the reference" : null],
    ["Deep supervision", typeof config?.deepSupervision === "boolean" ? yesNo(config.deepSupervision) : null],
    ["Fold", trained.fold],
    ["Precision of activations", text(config?.precision)],
    ["Seed", trained.seed],
    ["Adapter", record.adapter],
    ["Program", record.versions.spark3d ? `spark3d ${record.versions.spark3d}` : null],
  ];
  return factTable(rows);
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

function ratioText({ kind, value, low, high }: JsonObject): string {
  return kind === "uniform" ? `drawn from ${low} to ${high} every step` : String(value);
}

/** What the training reached. */
export function resultsTable(model: ModelFile, { summary, validation }: TrainingRecord): string {
  const { trainLosses, valLosses } = model.trained;
  const rows: CardRow[] = [
    ["Training loss, last epoch", digits(summary?.trainLoss ?? trainLosses.at(-1))],
    ["Validation loss", digits(summary?.valLoss ?? valLosses.at(-1))],
    ["Validation loss, lowest", digits(summary?.bestValLoss)],
    ["Validation loss of the best constant", digits(summary?.valLossConstant)],
    ["Validation loss of copying the nearest visible voxel", digits(summary?.valLossNearest)],
    ["Pseudo Dice, mean of foreground classes", digits(summary?.meanDice)],
    ["Steps skipped for infinite gradients", digits(summary?.skippedSteps)],
  ];
  const some = spread(validation, 6).map(({ step, loss }) => `${digits(loss)} at step ${step}`);
  const course = some.length > 1 ? `Validation loss: ${some.join(", ")}.` : "";
  return [factTable(rows), course].filter((part) => part !== "").join("\n\n");
}

/** At most `count` items, the first and the last among them. */
function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.round(i * (items.length - 1) / (count - 1))]);
}

/** Counts of the training data. */
export function dataTable(data: DataFacts | null, { kind, dataset }: ModelFile): string {
  if (data === null) return "Nothing is recorded of the training data.";
  const segmentation = kind === "segmentation";
  const labels = isJsonObject(dataset?.labels) ? Object.keys(dataset.labels).join(", ") : null;
  const channels = Object.values(channelNamesIn(dataset ?? {})).join(", ");
  const modalities = Object.entries(data.modalities).map(([name, count]) => `${name} ${count}`).join(", ");
  return factTable([
    ["Data set", data.name],
    [segmentation ? "Cases with labels" : "Volumes", data.volumes],
    [segmentation ? "Cases trained on" : "Subjects trained on", data.train],
    [segmentation ? "Cases validated with" : "Subjects validated with", data.val],
    ["Images that could not be used", data.rejected],
    ["Volumes by modality", modalities],
    ["Channels", channels],
    ["Labels", labels],
  ]);
}

/** What an image must go through before the network sees it. */
export function preprocessingTable(model: ModelFile): string {
  const { plans, configuration, adaptationPlan } = model;
  const planned = plans && configuration ? plans.configurations[configuration] : null;
  const pretrained = adaptationPlan?.pretrain_plan;
  const used = planned ?? (pretrained ? Object.values(pretrained.configurations)[0] : null);
  if (!used) return "Nothing is recorded of the preprocessing.";
  const axes = plans ?? pretrained!;
  return factTable([
    ["Axes", axes.orientation ? `turned to ${axes.orientation}` : "those of the files"],
    ["Order of the axes (from z, y, x)", axes.transpose_forward.join(", ")],
    ["Crop", "to the voxels that are not zero"],
    ["Normalisation of each channel", used.normalization_schemes.join(", ")],
    ["Each channel inside the non-zero mask alone", masked(used.use_mask_for_norm)],
    ["Voxel size, mm", used.spacing ? extents(used.spacing) : "that of each image"],
    ["Patch, voxels", extents(used.patch_size)],
  ]);
}

/** For every channel, whether it is normalised inside the mask alone. */
function masked(channels: unknown): string | null {
  return Array.isArray(channels) ? channels.map((one) => yesNo(one === true)).join(", ") : null;
}

/** Sentences as a list, each with its full stop. */
export function bullets(lines: readonly string[]): string {
  return lines.map((line) => `- ${plainText(line).replace(/\.?$/, ".")}`).join("\n");
}
