import type { Graph, Value } from "../../kernels/graph/graph.ts";

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

/**
 * Weights of n outputs, the full-resolution one first: 1, 1/2, 1/4, ..., the last 0, divided by their sum; a single output
 * has weight 1.
 */
export declare function deepSupervisionWeights(outputs: number): number[];

/**
 * nnU-Net's loss, Dice and cross-entropy, summed over outputs with their weights; outputs of weight 0 are left out.
 *
 * @param outputs logits `[N, C, ...size]` at full resolution, then at lower ones; f32 or f16
 * @param labels `[N, 1, D, H, W]` at full resolution; negative ones and the ignored one count nowhere
 * @returns loss `[1]`, to be differentiated
 */
export declare function segmentationLoss(
  graph: Graph,
  outputs: readonly Value[],
  labels: Value,
  classes: SegmentationClasses,
  options: SegmentationLossOptions,
): Value;

/**
 * True positives, false positives and false negatives `[C, 3]` of the batch, by output (output 0 of labels is the background):
 * argmax of the logits, or for regions those above 0 (sigmoid above 0.5). For pseudo Dice `2 TP / (2 TP + FP + FN)`.
 *
 * @param logits `[N, C, D, H, W]`
 * @param labels `[N, 1, D, H, W]`
 */
export declare function segmentationCounts(
  graph: Graph,
  logits: Value,
  labels: Value,
  classes: SegmentationClasses,
): Value;
