import type { TrainEvent } from "../train/events.ts";
import type { Output } from "./output.ts";
import type { Progress } from "./progress.ts";

/** Shows the events of a training run as a progress bar and lines. */
export function showTrainEvents(output: Output): (event: TrainEvent) => void {
  let bar: Progress | null = null;
  let steps = 0;
  let note = "";
  return (event) => {
    switch (event.type) {
      case "started":
        steps = event.steps;
        output.log(
          event.resumedFrom === null
            ? `training ${event.steps} steps in ${event.epochs} epochs, seed ${event.seed}, on ${event.adapter}`
            : `going on at step ${event.step} of ${event.steps} from ${event.resumedFrom}, on ${event.adapter}`,
        );
        bar = output.progress("train", steps);
        bar.update(event.step);
        break;
      case "plan":
        output.log(
          `plan ${event.phase}: ${event.plan.dispatches} dispatches, ${event.plan.pipelines} pipelines, ` +
            `${event.plan.slots} slots, peak ${bytes(event.plan.peakBytes)}, parameters ` +
            `${bytes(event.plan.parameterBytes)}, ${flop(event.plan.flop)}`,
        );
        break;
      case "metrics": {
        const loss = event.rows.findLast((row) => row.name === "loss");
        if (loss) note = `loss ${loss.value.toPrecision(4)}`;
        bar?.update(event.step, note);
        break;
      }
      case "validation":
        output.log(
          `epoch ${event.epoch}, step ${event.step}: validation loss ${event.valLoss.toPrecision(4)} ` +
            `(best constant ${event.valLossConstant.toPrecision(4)}, nearest visible voxel ` +
            `${event.valLossNearest.toPrecision(4)})`,
        );
        break;
      case "segmentation":
        output.log(
          `epoch ${event.epoch}, step ${event.step}: loss ${event.trainLoss.toPrecision(4)}, validation ` +
            `${event.valLoss.toPrecision(4)}, Dice of patches ${event.meanDice.toFixed(4)} (average ` +
            `${event.emaDice.toFixed(4)}; ${event.pseudoDice.map((dice) => dice.toFixed(3)).join(", ")})`,
        );
        break;
      case "stage":
        output.log(
          `epoch ${event.epoch}: stage ${event.name} trains ${event.trained} of ${event.parameters} tensors`,
        );
        break;
      case "checkpoint":
        if (event.kind !== "latest") output.log(`saved ${event.kind} checkpoint ${event.path}`);
        break;
      case "picture":
        output.log(`picture ${event.path}`);
        break;
      case "warning":
        output.warn(event.message);
        break;
      case "stopped":
        output.log(`stopped at step ${event.step} of ${steps} (${event.reason})`);
        break;
      case "finished":
        bar?.update(event.step, note);
        bar?.end();
        break;
      case "slices": // files for the dashboard
        break;
      case "failed": // the error itself is thrown and printed
        break;
    }
  };
}

/** Bytes as MiB or GiB. */
export function bytes(count: number): string {
  return count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(2)} GiB` : `${(count / 2 ** 20).toFixed(1)} MiB`;
}

/** Floating-point operations as GFLOP or TFLOP. */
export function flop(count: number): string {
  return count >= 1e12 ? `${(count / 1e12).toFixed(2)} TFLOP` : `${(count / 1e9).toFixed(2)} GFLOP`;
}
