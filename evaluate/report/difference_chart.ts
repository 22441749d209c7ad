import { type Figure, FIGURE_WIDTH, FONT_SIZE, svgText } from "../../data/report/figure.ts";
import { textWidth } from "../../data/report/text.ts";
import { axisAround, disc, place, rowChart, stroke, whisker } from "./row_chart.ts";
import { type Estimate, signedText } from "./score_bars.ts";

/** Dots of paired differences to a baseline with their intervals, and a line at 0. */
export function differenceChart(
  options: {
    readonly name: string;
    readonly title: string;
    readonly metric: string;
    readonly baseline: string;
    readonly labels: readonly string[];
    readonly differences: readonly Estimate[];
  },
): Figure {
  const { name, title, metric, baseline, labels, differences } = options;
  const values = differences.map(({ mean }) => signedText(mean));
  const valueRoom = Math.max(0, ...values.map((text) => textWidth(text, FONT_SIZE))) + 10;
  const axis = axisAround([0, ...differences.flatMap(({ low, mean, high }) => [low, mean, high])], {
    count: 5,
  });
  const chart = rowChart(labels, axis, { valueRoom });
  const bottom = labels.length * chart.rowHeight;
  return {
    name,
    title,
    description: `Paired difference in ${metric} to ${baseline} with 95 % bootstrap intervals`,
    width: FIGURE_WIDTH,
    height: chart.height,
    body: [
      ...chart.frame,
      stroke(`M${place(chart.x(0))} 0V${bottom}`, 1),
      ...differences.flatMap(({ mean, low, high }, row) => [
        ...(high > low ? [whisker(chart, row, low, high)] : []),
        ...(Number.isNaN(mean) ? [] : [disc(chart.x(mean), chart.y(row), 5)]),
        svgText(values[row], FIGURE_WIDTH, chart.y(row) + FONT_SIZE * 0.35, "end"),
      ]),
    ],
    table: {
      head: ["method", `${metric} − ${baseline}`, "low", "high"],
      rows: labels.map((label, i) => [
        label,
        ...[differences[i].mean, differences[i].low, differences[i].high].map(signedText),
      ]),
    },
  };
}
