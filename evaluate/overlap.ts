import type { SlotPair } from "./label_slots.ts";
import type { ClassMetrics } from "./types.ts";

/** Voxel counts of one class and what follows from them. */
export type OverlapMetrics = Pick<
  ClassMetrics,
  "Dice" | "IoU" | "TP" | "FP" | "FN" | "TN" | "n_pred" | "n_ref"
>;

/**
 * Dice and IoU of a class from its counts; NaN when the class is in neither map.
 *
 * Formula: Dice 1945, Jaccard 1901; NaN rule as nnU-Net's `compute_metrics`.
 */
export function overlapMetrics(TP: number, FP: number, FN: number, TN: number): OverlapMetrics {
  const union = TP + FP + FN;
  return {
    Dice: union > 0 ? 2 * TP / (2 * TP + FP + FN) : NaN,
    IoU: union > 0 ? TP / union : NaN,
    TP,
    FP,
    FN,
    TN,
    n_pred: TP + FP,
    n_ref: TP + FN,
  };
}

/** Overlap of every class of a pair, in the order of its classes. */
export function pairOverlap({ joint, slots, members, voxels }: SlotPair): OverlapMetrics[] {
  const cells = Array.from(joint.keys()).filter((cell) => joint[cell] > 0);
  return members.map((member) => {
    let TP = 0, FP = 0, FN = 0;
    for (const cell of cells) {
      const inReference = member[Math.floor(cell / slots)], inPrediction = member[cell % slots];
      if (inReference && inPrediction) TP += joint[cell];
      else if (inPrediction) FP += joint[cell];
      else if (inReference) FN += joint[cell];
    }
    return overlapMetrics(TP, FP, FN, voxels - TP - FP - FN);
  });
}
