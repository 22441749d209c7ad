import { type Child, element, type Markup } from "../../data/report/markup.ts";
import { compact, count } from "../../data/report/text.ts";
import type { MethodNumbers } from "./method_numbers.ts";
import { type Estimate, scoreText, signedText } from "./score_bars.ts";

/** Mean scores of every method on every data set, their mean, and the mean rank. */
export function scoreTable({ methods, overall, stability }: MethodNumbers): Markup {
  const { datasets, meanRanks, datasetScores } = stability;
  return table(
    ["method", ...datasets.map(({ name }) => name), "mean over cases", "95 % interval", "mean rank"],
    methods.map((method, i) => [
      method,
      ...datasetScores.map((row) => scoreText(row[i])),
      scoreText(overall[i].mean),
      `${scoreText(overall[i].low)} to ${scoreText(overall[i].high)}`,
      compact(meanRanks[i]),
    ]),
  );
}

/** Paired differences to the baseline with intervals and tests. */
export function comparisonTable({ comparisons, baseline, metric }: MethodNumbers): Markup {
  return table(
    [
      "method",
      "data set",
      "cases",
      `${metric} − ${baseline} (95 % interval)`,
      "+ / = / −",
      "Wilcoxon p",
      "adjusted p",
      "permutation p",
    ],
    comparisons.flatMap(({ method, overall, datasets }) => [
      ...datasets.map((one) => [
        method,
        one.name,
        count(one.difference.count),
        signedEstimate(one.difference),
        `${one.wins} / ${one.draws} / ${one.losses}`,
        probability(one.wilcoxon.p),
        probability(one.adjustedP),
        probability(one.permutation.p),
      ]),
      ...(datasets.length > 1
        ? [[
          method,
          "mean",
          "",
          signedEstimate(overall),
          "",
          "",
          "",
          "",
        ]]
        : []),
    ]),
    2,
  );
}

/** `+0.0297 (+0.0102 to +0.0451)`. */
function signedEstimate({ mean, low, high }: Estimate): string {
  return `${signedText(mean)} (${signedText(low)} to ${signedText(high)})`;
}

/** A p-value with two significant digits. */
export function probability(p: number): string {
  return p < 1e-4 ? "< 0.0001" : String(Number(p.toPrecision(2)));
}

/** A table whose columns after the first `texts` hold numbers. */
function table(head: readonly string[], rows: readonly (readonly string[])[], texts = 1): Markup {
  const line = (tag: "th" | "td", values: readonly string[]): Child =>
    element(
      "tr",
      {},
      values.map((value, column) =>
        element(
          tag,
          {
            scope: tag === "th" ? "col" : null,
            class: column >= texts ? "number" : null,
            style: column < texts ? "min-width:8em" : null,
          },
          [value],
        )
      ),
    );
  return element("div", { class: "scroll" }, [
    element("table", {}, [
      element("thead", {}, [line("th", head)]),
      element("tbody", {}, rows.map((row) => line("td", row))),
    ]),
  ]);
}
