import type { RunLog } from "../../train/run_log.ts";

/**
 * Seconds of training by step, over all starts of a run: the metric `seconds` counts from the start of a process and so falls back when
 * a run goes on. Between two readings time passes evenly.
 */
export class TrainingClock {
  readonly #steps: number[] = [-1];
  readonly #seconds: number[] = [0];

  /** @param readings of the metric `seconds`, in order of step */
  constructor(readings: readonly { readonly step: number; readonly seconds: number }[]) {
    let before = 0, offset = 0;
    for (const { step, seconds } of readings) {
      if (seconds < before) offset += before;
      before = seconds;
      this.#steps.push(step);
      this.#seconds.push(offset + seconds);
    }
  }

  /** The clock of a run, from at most `points` readings. */
  static of(log: RunLog, points: number): TrainingClock {
    return new TrainingClock(
      log.curve("seconds", points).map(({ step, highest: seconds }) => ({ step, seconds })),
    );
  }

  /** Seconds of training when `step` was done; null before the first reading and after the last. */
  at(step: number): number | null {
    const steps = this.#steps, seconds = this.#seconds;
    if (steps.length === 1 || step < 0 || step > steps.at(-1)!) return null;
    let low = 0, high = steps.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle;
      else high = middle;
    }
    const share = (step - steps[low]) / (steps[high] - steps[low]);
    return seconds[low] + share * (seconds[high] - seconds[low]);
  }
}
