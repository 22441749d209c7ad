import { channelNamesIn } from "../../data/nnunet/description.ts";
import type { LabelSet } from "../../data/nnunet/labels.ts";
import type { FinetunedModel } from "../finetune/checkpoint.ts";
import { PredictionError } from "./errors.ts";
import type { LabelDecision } from "./logits_ring.ts";

/** Most foreground labels that are written in 8 bits. */
const SMALL_LABELS = 254;

/**
 * The settings that the folds of an ensemble share: those of the first.
 *
 * @throws {PredictionError} when there is no model, one takes other channels than its data set has, or two differ in what a
 * prediction depends on beside weights
 */
export function requireEnsemble(models: readonly FinetunedModel[]): FinetunedModel {
  const [first] = models;
  if (!first) throw new PredictionError("Cannot predict: found no model, wanted at least one: name a run");
  for (const model of models) {
    requireChannels(model);
    for (const [what, of] of Object.entries(SHARED)) {
      if (JSON.stringify(of(model)) === JSON.stringify(of(first))) continue;
      throw new PredictionError(
        `Cannot average the folds ${first.path} and ${model.path}: their ${what} differ: use folds of one plan`,
      );
    }
  }
  return first;
}

/** Inputs beyond the channels of a scan would stay empty, and labels come out that mean nothing. */
function requireChannels({ path, dataset, network: { inputChannels } }: FinetunedModel): void {
  const channels = Object.keys(channelNamesIn(dataset)).length;
  if (channels === inputChannels) return;
  throw new PredictionError(
    `Cannot predict with ${path}: found a network of ${inputChannels} input channels, wanted the ${channels} of its data set: ` +
      "cascades cannot be used",
  );
}

const SHARED: Readonly<Record<string, (model: FinetunedModel) => unknown>> = {
  networks: ({ config }) => config.network,
  patches: ({ config }) => config.patch,
  labels: ({ labels }) => labels,
  spacings: ({ configuration }) => configuration.spacing,
  "normalisation schemes": ({ configuration: { normalization_schemes, use_mask_for_norm } }) => [
    normalization_schemes,
    use_mask_for_norm,
  ],
  "intensities of the fingerprint": ({ plans }) => plans.foreground_intensity_properties_per_channel,
  "axes and orientation": ({ plans }) => [plans.transpose_forward, plans.orientation ?? null],
  "mirrored axes": (model) => mirroredAxes(model),
};

/** Axes over whose mirror images logits are averaged: those that training mirrored. */
export function mirroredAxes(
  { config: { augmentation } }: Pick<FinetunedModel, "config">,
): readonly number[] {
  const mirrored = augmentation.enabled && augmentation.mirrorProbability > 0;
  return mirrored ? augmentation.mirrorAxes : [];
}

/**
 * How labels follow from a network's outputs.
 *
 * @param samples whether probabilities are read back as well
 * Source: nnU-Net v2, `convert_logits_to_segmentation` and `export_prediction_from_logits` (8 bits below 255 foreground labels)
 */
export function labelDecision(
  { kind, foreground, outputs, regionsClassOrder }: LabelSet,
  samples: boolean,
): LabelDecision {
  const regions = kind === "regions";
  const values = regions ? regionsClassOrder ?? [] : Array.from({ length: outputs }, (_, i) => i);
  const largest = Math.max(...values, ...foreground.flatMap((one) => one.values));
  return {
    decision: regions ? "regions" : "largest",
    values: Int32Array.from(values),
    bytes: largest > SMALL_LABELS ? 2 : 1,
    samples: samples ? (regions ? "sigmoid" : "softmax") : null,
  };
}
