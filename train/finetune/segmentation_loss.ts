import type { Graph, Value } from "../../kernels/graph/graph.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { diceBce } from "../../kernels/ops/dice_ce/bce.ts";
import { diceCe } from "../../kernels/ops/dice_ce/op.ts";
import { confusionCounts } from "../../kernels/ops/segmentation/confusion_counts.ts";
import { downsampleLabels } from "../../kernels/ops/segmentation/downsample_labels.ts";
import { regionTargets } from "../../kernels/ops/segmentation/region_targets.ts";
import { PlanError } from "../../kernels/errors.ts";
import type { Dims3 } from "../../kernels/spec.ts";

/** What a loss needs to know of a data set's labels; a `LabelSet` is one. */
export interface SegmentationClasses {
  /** `labels`: one output a label value, softmax; `regions`: one output a set of label values, sigmoid. */
  readonly kind: "labels" | "regions";
  /** Label values of each foreground class; of output r for regions. */
  readonly foreground: readonly { readonly values: readonly number[] }[];
  readonly outputs: number;
  /** Label value of voxels that count nowhere; null when there is none. */
  readonly ignore: number | null;
}

/** Choices of {@link segmentationLoss}. */
export interface SegmentationLossOptions {
  /** Sum overlaps over the batch before dividing. */
  readonly batchDice: boolean;
  /** Weight of each output; by default {@link deepSupervisionWeights}. */
  readonly weights?: readonly number[];
}

/** Added to numerator and denominator of Dice, as nnU-Net does. */
const SMOOTH = 1e-5;

/**
 * Weights of n outputs, the full-resolution one first: 1, 1/2, 1/4, ..., the last 0, divided by their sum.
 *
 * A single output has weight 1, where the recipe's formula would give 0/0.
 * Source: nnU-Net's deep supervision.
 */
export function deepSupervisionWeights(outputs: number): number[] {
  if (outputs === 1) return [1];
  const raw = Array.from({ length: outputs }, (_, i) => i === outputs - 1 ? 0 : 2 ** -i);
  const sum = raw.reduce((a, b) => a + b);
  return raw.map((weight) => weight / sum);
}

/**
 * nnU-Net's loss, Dice and cross-entropy, summed over outputs with their weights; outputs of weight 0 are left out.
 *
 * @param outputs logits `[N, C, ...size]` at full resolution, then at lower ones; f32 or f16
 * @param labels `[N, 1, D, H, W]` at full resolution; negative ones and the ignored one count nowhere
 * @returns loss `[1]`, to be differentiated
 * @throws {PlanError} when the number of weights differs from that of outputs, or all of them are 0
 * @throws {ShapeError} when logits and labels do not belong together
 */
export function segmentationLoss(
  graph: Graph,
  outputs: readonly Value[],
  labels: Value,
  classes: SegmentationClasses,
  options: SegmentationLossOptions,
): Value {
  const weights = options.weights ?? deepSupervisionWeights(outputs.length);
  const targets = outputs.map((output, i) => weights[i] === 0 ? labels : labelsAt(graph, labels, output));
  return supervisedLoss(graph, outputs, targets, classes, { ...options, weights });
}

/** {@link segmentationLoss} of labels that are given at the size of each output. Those of outputs of weight 0 are not read. */
export function supervisedLoss(
  graph: Graph,
  outputs: readonly Value[],
  labels: readonly Value[],
  classes: SegmentationClasses,
  { batchDice, weights = deepSupervisionWeights(outputs.length) }: SegmentationLossOptions,
): Value {
  if (weights.length !== outputs.length || weights.every((weight) => weight === 0)) {
    throw new PlanError(
      `Cannot weight ${outputs.length} outputs by [${
        weights.join(", ")
      }]: wanted a weight each, one of them above 0`,
    );
  }
  const terms = outputs.flatMap((logits, i): Value[] => {
    if (weights[i] === 0) return [];
    const overlap = { batchDice, smooth: SMOOTH, diceWeight: weights[i], ceWeight: weights[i] };
    if (classes.kind === "regions") {
      return [graph.apply(diceBce, [logits, targetsOf(graph, labels[i], classes)], overlap)[0]];
    }
    const attrs = { ...overlap, doBackground: false, ignoreLabel: classes.ignore };
    return [graph.apply(diceCe, [logits, labels[i]], attrs)[0]];
  });
  return terms.reduce((a, b) => graph.apply(add, [a, b], {})[0]);
}

/**
 * True positives, false positives and false negatives `[C, 3]` of the batch, by output (output 0 of labels is the background):
 * argmax of the logits, or for regions those above 0 (sigmoid above 0.5). For pseudo Dice `2 TP / (2 TP + FP + FN)`.
 *
 * @param logits `[N, C, D, H, W]`
 * @param labels `[N, 1, D, H, W]`
 * @throws {ShapeError} when logits and labels do not belong together
 */
export function segmentationCounts(
  graph: Graph,
  logits: Value,
  labels: Value,
  classes: SegmentationClasses,
): Value {
  const truth = classes.kind === "regions" ? targetsOf(graph, labels, classes) : labels;
  return graph.apply(confusionCounts, [logits, truth], {
    kind: classes.kind,
    ignoreLabel: classes.ignore,
  })[0];
}

/** Labels at the size of some logits. */
function labelsAt(graph: Graph, labels: Value, logits: Value): Value {
  const size = logits.spec.shape.slice(2) as unknown as Dims3;
  if (size.every((extent, axis) => extent === labels.spec.shape[2 + axis])) return labels;
  return graph.apply(downsampleLabels, [labels], { size })[0];
}

/** One binary channel a region. */
function targetsOf(graph: Graph, labels: Value, classes: SegmentationClasses): Value {
  const regions = classes.foreground.map(({ values }) => values);
  return graph.apply(regionTargets, [labels], { regions, ignoreLabel: classes.ignore })[0];
}
