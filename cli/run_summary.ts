import { runPaths, type RunSummary } from "../train/run_folder.ts";
import { duration } from "./progress.ts";

/**
 * What a person wants to know at the end of a run: the validation error against the trivial predictors, and where to look.
 *
 * @param out the run folder
 */
export function summaryText(out: string, summary: RunSummary): string {
  const { state, steps, plannedSteps, seconds, valLoss } = summary;
  const lines = [`${state} after ${steps} of ${plannedSteps} steps, ${duration(seconds)}`];
  if (valLoss !== null) {
    const against = (name: string, error: number) =>
      `  ${(valLoss / error).toFixed(3)} x that of ${name} (${error.toPrecision(4)})`;
    lines.push(
      `validation loss ${valLoss.toPrecision(4)}, mean over hidden voxels`,
      against("the best constant", summary.valLossConstant),
      against("copying the nearest visible voxel", summary.valLossNearest),
    );
  }
  const paths = runPaths(out);
  if (state === "stopped") lines.push(`go on with: spark3d pretrain --resume ${out}`);
  else lines.push(`network ${paths.final}`, `picture ${paths.picture}`);
  lines.push(`details ${paths.summary}`);
  return lines.join("\n");
}
