import type { Figure } from "../../data/report/figure.ts";
import type { DatasetScores } from "../ranking/rank_stability.ts";
import { boxPlots } from "./box_plots.ts";
import { differenceChart } from "./difference_chart.ts";
import type { MethodNumbers } from "./method_numbers.ts";
import { rankBlobs } from "./rank_blobs.ts";
import { scoreBars } from "./score_bars.ts";

/** Figures of a report, by section. */
export interface MethodFigures {
  readonly scores: readonly Figure[];
  readonly ranks: readonly Figure[];
  readonly cases: readonly Figure[];
}

/** Draws the figures of a report. */
export function methodFigures(numbers: MethodNumbers, datasets: readonly DatasetScores[]): MethodFigures {
  const { methods, metric, better, overall, stability, baseline, comparisons } = numbers;
  const several = datasets.length > 1;
  const over = several ? `mean over ${datasets.length} data sets` : datasets[0].name;
  const differences = baseline === null ? [] : [
    differenceChart({
      name: "differences",
      title: `Paired difference to ${baseline}, ${over}`,
      metric,
      baseline,
      labels: comparisons.map(({ method }) => method),
      differences: comparisons.map((one) => several ? one.overall : one.datasets[0].difference),
    }),
    ...(several
      ? datasets.map(({ name }, i) =>
        differenceChart({
          name: `differences_${i + 1}`,
          title: `Paired difference to ${baseline}, ${name}`,
          metric,
          baseline,
          labels: comparisons.map(({ method }) => method),
          differences: comparisons.map((one) => one.datasets[i].difference),
        })
      )
      : []),
  ];
  return {
    scores: [
      scoreBars({ name: "scores", title: `${metric}, ${over}`, metric, methods, scores: overall, better }),
      ...differences,
    ],
    ranks: [
      ...stability.datasets.map((ranked, i) => rankBlobs(`ranks_${i + 1}`, ranked.name, methods, ranked)),
      ...(several ? [rankBlobs("ranks_all", "All data sets", methods, stability.aggregate)] : []),
    ],
    cases: datasets.map(({ name, scores }, i) =>
      boxPlots({ name: `cases_${i + 1}`, title: name, metric, methods, scores })
    ),
  };
}
