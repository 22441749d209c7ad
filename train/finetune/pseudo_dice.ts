/** Dice of the foreground classes over a set of patches. */
export interface PseudoDice {
  /** One a foreground class; NaN where no voxel has or gets the class. */
  readonly classes: readonly number[];
  /** Mean of the classes that have one; NaN when none has. */
  readonly mean: number;
}

/**
 * Dice `2 TP / (2 TP + FP + FN)` from counts summed over patches, per class.
 *
 * @param confusion `[outputs, 3]`: true positives, false positives, false negatives
 * @param background number of leading outputs that are no foreground: 1 for labels, 0 for regions
 * Source: nnU-Net v2 `nnUNetTrainer.on_validation_epoch_end`
 */
export function pseudoDice(confusion: ArrayLike<number>, background: number): PseudoDice {
  const classes = Array.from({ length: confusion.length / 3 - background }, (_, i) => {
    const at = 3 * (i + background);
    const [tp, fp, fn] = [confusion[at], confusion[at + 1], confusion[at + 2]];
    return 2 * tp / (2 * tp + fp + fn);
  });
  const defined = classes.filter((dice) => !Number.isNaN(dice));
  return { classes, mean: defined.reduce((sum, dice) => sum + dice, 0) / defined.length };
}

/** Exponential average of the mean Dice: 0.9 of the old value and 0.1 of the new one; a mean of NaN changes nothing. */
export function averageDice(before: number | null, mean: number): number | null {
  if (Number.isNaN(mean)) return before;
  return before === null ? mean : 0.9 * before + 0.1 * mean;
}
