import type { EvaluationSummary } from "../evaluate/mod.ts";
import type { FinetuneSummary } from "../train/finetune/run_folder.ts";
import { finetunePaths } from "../train/finetune/run_folder.ts";
import type { Fold } from "./finetune_inputs.ts";
import { duration } from "./progress.ts";

/** What became of one fold. */
export interface FinishedFold {
  readonly fold: Fold;
  readonly out: string;
  readonly summary: FinetuneSummary;
  /** Whole cases; null when they were not segmented. */
  readonly validation: EvaluationSummary | null;
}

const decimals = (dice: number | null) => dice === null || Number.isNaN(dice) ? "undefined" : dice.toFixed(4);

/**
 * What a person wants to know at the end: Dice of the folds, and where to look.
 *
 * @param out the run folder
 * @param pooled evaluation of the cases of all folds
 */
export function finetuneText(
  out: string,
  folds: readonly FinishedFold[],
  pooled: EvaluationSummary | null,
): string {
  const lines = folds.flatMap(({ fold, out, summary, validation }) => {
    const { state, steps, plannedSteps, seconds, transfer, meanDice } = summary;
    const paths = finetunePaths(out);
    const whole = validation ? `, whole cases ${decimals(validation.foreground_mean.Dice)}` : "";
    return [
      `fold ${fold}: ${state} after ${steps} of ${plannedSteps} steps, ${duration(seconds)}; ` +
      `Dice of validation patches ${decimals(meanDice)}${whole}`,
      ...(transfer
        ? [
          `  tensors: ${transfer.transferred} transferred, ${transfer.adapted} adapted, ${transfer.fresh} fresh ` +
          `(${paths.transfer})`,
        ]
        : []),
      `  ${state === "finished" ? `network ${paths.final}, ` : ""}details ${paths.summary}`,
    ];
  });
  if (pooled) {
    lines.push(
      `Dice of ${pooled.metric_per_case.length} whole cases ${decimals(pooled.foreground_mean.Dice)}`,
    );
    for (const { name, key } of pooled.classes) lines.push(`  ${name} ${decimals(pooled.mean[key].Dice)}`);
  }
  const stopped = folds.some(({ summary }) => summary.state === "stopped");
  if (stopped) lines.push(`go on with: spark3d finetune --resume ${out}`);
  return lines.join("\n");
}

/** The same for programs. */
export function finetuneFacts(
  out: string,
  folds: readonly FinishedFold[],
  pooled: EvaluationSummary | null,
): Readonly<Record<string, unknown>> {
  const dice = (evaluation: EvaluationSummary | null) =>
    evaluation && {
      cases: evaluation.metric_per_case.length,
      meanDice: finite(evaluation.foreground_mean.Dice),
      dice: Object.fromEntries(
        evaluation.classes.map(({ name, key }) => [name, finite(evaluation.mean[key].Dice)]),
      ),
    };
  return {
    out,
    folds: folds.map(({ out, summary, validation }) => ({
      out,
      ...summary,
      validation: dice(validation),
    })),
    validation: dice(pooled),
  };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
