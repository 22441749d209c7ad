import { type Figure, inlineFigure } from "../../data/report/figure.ts";
import { type Child, element, type Markup } from "../../data/report/markup.ts";
import { pageHead } from "../../data/report/page_head.ts";
import { figureNumbers } from "../../data/report/tables.ts";
import { compact, count, counted } from "../../data/report/text.ts";
import type { DatasetScores } from "../ranking/rank_stability.ts";
import type { MethodFigures } from "./method_figures.ts";
import type { MethodNumbers } from "./method_numbers.ts";
import { comparisonTable, scoreTable } from "./method_tables.ts";

/** Nothing is fetched and no script runs. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The report as one HTML file, which is well-formed XML too. */
export function methodPage(
  content: {
    readonly title: string;
    readonly notes: readonly string[];
    readonly numbers: MethodNumbers;
    readonly figures: MethodFigures;
    readonly datasets: readonly DatasetScores[];
  },
): string {
  const { title, notes, numbers, figures, datasets } = content;
  const { metric, methods, stability, baseline } = numbers;
  const cases = datasets.map(({ name, scores }) => `${name} (${counted(scores.length, "case")})`).join(", ");
  const head = pageHead(title, POLICY);
  const taus = [...stability.datasets, ...(datasets.length > 1 ? [stability.aggregate] : [])]
    .map(({ name, kendallTau }) => `${name} ${Number.isNaN(kendallTau) ? "undefined" : compact(kendallTau)}`);
  const main = element("main", {}, [
    element("header", {}, [
      element("h1", {}, [title]),
      element("p", { class: "muted" }, [`${metric} of ${counted(methods.length, "method")} on ${cases}`]),
      ...notes.map((note) => element("p", {}, [note])),
    ]),
    section("Scores", [scoreTable(numbers), grid(figures.scores)]),
    baseline === null ? null : section(`Against ${baseline}`, [comparisonTable(numbers)]),
    section("Ranks", [
      paragraph(
        `Ranks by mean score in ${
          count(stability.resamples)
        } bootstrap resamples of the cases: the area of a blob is the share of ` +
          "resamples with that rank, the cross is the median, the line goes from the 2.5th to the 97.5th percentile.",
      ),
      grid(figures.ranks),
      paragraph(
        `Mean of Kendall's tau between the ranking of a resample and that of all cases: ${taus.join(", ")}.`,
      ),
    ]),
    section("Cases", [
      paragraph(
        "Boxes hold the middle half of the cases, whiskers reach to the last case within 1.5 times that range, dots are cases.",
      ),
      grid(figures.cases),
    ]),
    section(
      "How it was computed",
      method(numbers, datasets.some((item) => item.datasetScores !== undefined)).map(paragraph),
    ),
    element("footer", {}, ["Made by spark3d."]),
  ]);
  return `<!DOCTYPE html>\n${element("html", { lang: "en" }, [head, element("body", {}, [main])]).text}\n`;
}

function method({ stability, baseline, metric }: MethodNumbers, byClass: boolean): string[] {
  return [
    `The score of a case is its mean ${metric} over classes; classes in neither reference nor prediction are left out. Bars, ` +
    "intervals, tests and bootstrap use means over cases; the mean over data sets counts each data set the same.",
    ...(byClass
      ? [
        "The columns of the data sets, and the mean rank, average over cases first and then over classes, as tables of segmentation " +
        "results do; where classes are missing in some cases that differs from the mean over cases.",
      ]
      : []),
    "The mean rank averages the ranks on each data set, tied methods sharing the average of their ranks; in the bootstrap, tied methods " +
    "get the smallest rank, and data sets are resampled independently with the same draws for all methods.",
    `Intervals are percentile bootstrap intervals (95 %, ${
      count(stability.resamples)
    } resamples, seed ${stability.seed}).`,
    ...(baseline === null ? [] : [
      "Tests are two-sided and paired over cases: Wilcoxon's signed-rank test, adjusted by Holm's method over all rows, and a " +
      "permutation test of the mean difference.",
    ]),
  ];
}

function section(title: string, children: readonly Child[]): Markup {
  return element("section", {}, [element("h2", {}, [title]), ...children]);
}

function paragraph(text: string): Markup {
  return element("p", { class: "muted" }, [text]);
}

function grid(figures: readonly Figure[]): Markup {
  return element(
    "div",
    { class: "pairs" },
    figures.map((figure) =>
      element("figure", {}, [
        element("figcaption", {}, [element("h3", {}, [figure.title])]),
        inlineFigure(figure),
        figureNumbers(figure.table),
      ])
    ),
  );
}
