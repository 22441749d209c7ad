import { type Figure, FIGURE_WIDTH, FONT_SIZE, svgText } from "../../data/report/figure.ts";
import { element } from "../../data/report/markup.ts";
import { textWidth } from "../../data/report/text.ts";
import { axisAround, rowChart, whisker } from "./row_chart.ts";

/** A value with its interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** `0.7237`, or a dash. */
export function scoreText(value: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(4);
}

/** `+0.0297`. */
export function signedText(value: number): string {
  return Number.isNaN(value) ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(4)}`;
}

/**
 * Bars of mean scores from 0, with intervals and values, best first.
 *
 * @param scores in the order of `methods`
 */
export function scoreBars(
  options: {
    readonly name: string;
    readonly title: string;
    readonly metric: string;
    readonly methods: readonly string[];
    readonly scores: readonly Estimate[];
    readonly better: "higher" | "lower";
  },
): Figure {
  const { name, title, metric, methods, scores, better } = options;
  const sign = better === "higher" ? -1 : 1;
  const sortKey = (i: number) => Number.isNaN(scores[i].mean) ? Infinity : sign * scores[i].mean;
  const order = [...methods.keys()].sort((a, b) => sortKey(a) - sortKey(b) || a - b);
  const values = order.map((i) => scoreText(scores[i].mean));
  const valueWidth = Math.max(...values.map((text) => textWidth(text, FONT_SIZE))) + 10;
  const axis = axisAround(scores.flatMap(({ mean, high }) => [mean, high]), { fromZero: true });
  const chart = rowChart(order.map((i) => methods[i]), axis, { valueRoom: valueWidth });
  const bars = order.flatMap((i, row) => {
    const { mean, low, high } = scores[i];
    const value = svgText(values[row], FIGURE_WIDTH, chart.y(row) + FONT_SIZE * 0.35, "end");
    if (Number.isNaN(mean)) return [value];
    const bar = element("rect", {
      class: "bar",
      x: chart.left,
      y: chart.y(row) - 8,
      width: Math.max(0, chart.x(mean) - chart.left),
      height: 16,
    });
    return [bar, ...(high > low ? [whisker(chart, row, low, high)] : []), value];
  });
  return {
    name,
    title,
    description: `Bars: mean ${metric} of ${methods.length} methods with 95 % bootstrap intervals`,
    width: FIGURE_WIDTH,
    height: chart.height,
    body: [...chart.frame, ...bars],
    table: {
      head: ["method", metric, "low", "high"],
      rows: order.map((i) => [methods[i], ...[scores[i].mean, scores[i].low, scores[i].high].map(scoreText)]),
    },
  };
}
