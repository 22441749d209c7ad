import { join } from "./paths.ts";

/**
 * What a person wants to know at the end of a run: the validation error against the trivial predictors, and where to look.
 *
 * @param summary content of summary.json
 */
export function summaryText(out: string, summary: Readonly<Record<string, unknown>>): string {
  const lines = [`run folder ${out}`];
  const loss = summary.valLoss;
  if (typeof loss === "number") {
    lines.push(`validation loss ${loss.toPrecision(4)} (mean over hidden voxels)`);
    for (const [key, name] of baselines) {
      const value = summary[key];
      if (typeof value !== "number") continue;
      lines.push(`  ${(loss / value).toFixed(3)} x that of ${name} (${value.toPrecision(4)})`);
    }
  }
  lines.push(`details in ${join(out, "summary.json")}`);
  return lines.join("\n");
}

const baselines = [
  ["valLossConstant", "the best constant"],
  ["valLossNearest", "copying the nearest visible voxel"],
] as const;
