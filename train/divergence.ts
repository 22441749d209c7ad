import type { TrainEventListener } from "./events.ts";
import type { StepMetrics } from "./metrics_ring.ts";
import { LOSS_SCALE, SKIPS_IN_A_ROW } from "./precision.ts";

/** Too many losses that are not finite, or too many steps in a row that changed nothing. */
export class DivergedError extends Error {
  override readonly name = "DivergedError";
}

/** What to do about divergence, beside another precision. */
const REMEDY = "use a lower learning rate, and check the data with spark3d prepare";

/** Judges whether a run still learns: counts steps that changed nothing and losses that are not finite. */
export class Divergence {
  /** Steps that changed nothing, those before a resume included. */
  skipped = 0;
  #inARow = 0;

  /** @param nanLimit losses of one epoch that may be other than finite */
  constructor(readonly nanLimit: number, readonly emit: TrainEventListener) {}

  /**
   * Counts steps that changed nothing, and warns of them unless a smaller loss scale is all they need.
   *
   * @param epochLosses losses of the epoch so far, those of `metrics` included
   * @throws {DivergedError} when more than `SKIPS_IN_A_ROW` steps in a row changed nothing, or more than `nanLimit` losses are not
   * finite
   */
  judge(metrics: readonly StepMetrics[], epochLosses: readonly number[]): void {
    for (const { step, finite, loss, lossScale } of metrics) {
      this.#inARow = finite ? 0 : this.#inARow + 1;
      if (finite) continue;
      this.skipped++;
      if (this.#inARow > SKIPS_IN_A_ROW) {
        throw new DivergedError(
          `Training diverged: the last ${this.#inARow} steps had gradients that are not finite and changed nothing ` +
            `(loss scale ${lossScale}): use a lower learning rate or precision f32, and check the data with spark3d prepare`,
        );
      }
      if (lossScale > LOSS_SCALE.smallest && Number.isFinite(loss)) continue;
      const message = `step ${step}: gradient norm is not finite, the step changed nothing`;
      this.emit({ type: "warning", step, message });
    }
    const bad = epochLosses.filter((loss) => !Number.isFinite(loss)).length;
    if (bad > this.nanLimit) {
      throw new DivergedError(
        `Training diverged: found ${bad} losses that are not finite in one epoch, allowed ${this.nanLimit} (nanLimit): ` +
          REMEDY,
      );
    }
  }
}
