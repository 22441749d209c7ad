import { DataError } from "../../data/errors.ts";
import type { DatasetScores } from "../ranking/rank_stability.ts";
import { caseScore } from "../summarize.ts";
import type { EvaluationSummary } from "../types.ts";

/** Metrics in [0, 1] of which higher is better: those that methods are compared by. */
export const COMPARED_METRICS = ["Dice", "IoU", "NSD"] as const;

/** A metric that methods are compared by. */
export type ComparedMetric = (typeof COMPARED_METRICS)[number];

/**
 * Scores of several methods on one data set from their evaluations.
 *
 * @param summaries one a method, of the same cases in any order
 * @throws {DataError} when the methods were evaluated on different cases or classes, or the metric was left out
 */
export function summaryScores(
  name: string,
  methods: readonly string[],
  summaries: readonly EvaluationSummary[],
  metric: ComparedMetric,
): DatasetScores {
  const fail = (found: string, wanted: string): never => {
    const remedy = "evaluate all methods with the same cases, classes and tolerances";
    throw new DataError({ file: `methods on ${name}`, action: "compare", found, wanted, remedy });
  };
  const idsOf = (summary: EvaluationSummary) => summary.metric_per_case.map(({ id }) => id).sort();
  const keysOf = (summary: EvaluationSummary) => summary.classes.map(({ key }) => key).join(" ");
  const ids = idsOf(summaries[0]);
  summaries.forEach((summary, i) => {
    const own = idsOf(summary);
    if (String(own) !== String(ids)) {
      const odd = own.find((id) => !ids.includes(id)) ?? ids.find((id) => !own.includes(id));
      fail(`case ${odd} with ${methods[0]} or with ${methods[i]} only`, "the same cases for all methods");
    }
    if (keysOf(summary) !== keysOf(summaries[0])) {
      fail(
        `classes ${keysOf(summaries[0])} with ${methods[0]} and ${keysOf(summary)} with ${methods[i]}`,
        "the same",
      );
    }
    const tolerances = (of: EvaluationSummary) => of.classes.map(({ tolerance }) => tolerance).join(", ");
    if (metric === "NSD" && !summary.surface) {
      fail(`no ${metric} with ${methods[i]}`, "evaluations with surface metrics");
    }
    if (metric === "NSD" && tolerances(summary) !== tolerances(summaries[0])) {
      fail(
        `tolerances ${tolerances(summaries[0])} and ${tolerances(summary)} mm`,
        "the same for all methods",
      );
    }
  });
  const byId = summaries.map((summary) =>
    new Map(summary.metric_per_case.map((one) => [one.id, one.metrics]))
  );
  return {
    name,
    scores: ids.map((id) => byId.map((cases) => caseScore(cases.get(id)!, metric))),
    datasetScores: summaries.map(({ foreground_mean }) => foreground_mean[metric]),
  };
}
