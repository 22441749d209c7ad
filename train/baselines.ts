import type { Dims3 } from "../data/volume.ts";
import { nearestVisible } from "./nearest_visible.ts";

/** Validation patches on which no trivial predictor can be measured. */
export class BaselineError extends Error {
  override readonly name = "BaselineError";
}

/** Masked errors of the trivial predictors, in the units of the target squared (z-score). */
export interface BaselineLosses {
  /** mean over the hidden voxels of all patches: the constant with the smallest masked MSE */
  readonly bestConstant: number;
  /** masked MSE of predicting `bestConstant` everywhere: the variance of the hidden voxels */
  readonly constant: number;
  /** masked MSE of copying, for each hidden voxel, the nearest visible one */
  readonly nearest: number;
  /** number of hidden voxels of all patches */
  readonly hiddenVoxels: number;
}

/**
 * Measures what predictors without any learning reach on a validation set: a loss is only worth reporting beside them.
 * Patches are added one at a time; nothing of them is kept.
 *
 * @example
 * ```ts
 * const baselines = new TrivialBaselines();
 * baselines.add(new Float32Array([1, 2, 5, 3]), new Uint8Array([1, 0, 0, 1]), [1, 1, 4]);
 * baselines.losses(); // { bestConstant: 3.5, constant: 2.25, nearest: 2.5, hiddenVoxels: 2 }
 * ```
 */
export class TrivialBaselines {
  #count = 0;
  #mean = 0;
  #squares = 0; // sum of squared deviations from #mean
  #nearest = 0; // sum of squared errors

  /**
   * Adds one patch.
   *
   * @param target `[D * H * W]`, normalised intensity
   * @param visible `[D * H * W]`, 1 = visible, 0 = hidden: the mask expanded to voxels
   * @throws {BaselineError} if sizes differ, or the patch has no visible voxel to copy from
   */
  add(target: ArrayLike<number>, visible: ArrayLike<number>, shape: Dims3): void {
    const voxels = shape[0] * shape[1] * shape[2];
    if (target.length !== voxels || visible.length !== voxels) {
      throw new BaselineError(
        `Cannot measure baselines: found ${target.length} values and ${visible.length} mask voxels, ` +
          `shape ${shape.join("x")} wants ${voxels}`,
      );
    }
    const source = nearestVisible(visible, shape);
    if (source[0] < 0) {
      throw new BaselineError("Cannot measure baselines: the patch has no visible voxel to copy");
    }
    let count = 0, sum = 0, copied = 0;
    for (let i = 0; i < voxels; i++) {
      if (visible[i] === 1) continue;
      const difference = target[source[i]] - target[i];
      count++;
      sum += target[i];
      copied += difference * difference;
    }
    if (count === 0) return;
    const mean = sum / count;
    let squares = 0;
    for (let i = 0; i < voxels; i++) {
      if (visible[i] === 0) squares += (target[i] - mean) * (target[i] - mean);
    }
    // merge of means and deviations: Chan, Golub and LeVeque 1983
    const total = this.#count + count, shift = mean - this.#mean;
    this.#squares += squares + shift * shift * this.#count * count / total;
    this.#mean += shift * count / total;
    this.#count = total;
    this.#nearest += copied;
  }

  /** Losses over everything added so far. @throws {BaselineError} before any hidden voxel was added */
  losses(): BaselineLosses {
    if (this.#count === 0) throw new BaselineError("Cannot measure baselines: no hidden voxel was added");
    return {
      bestConstant: this.#mean,
      constant: this.#squares / this.#count,
      nearest: this.#nearest / this.#count,
      hiddenVoxels: this.#count,
    };
  }
}
