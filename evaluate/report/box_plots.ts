import { type Figure, FIGURE_WIDTH, svgText } from "../../data/report/figure.ts";
import { element, type Markup } from "../../data/report/markup.ts";
import { count } from "../../data/report/text.ts";
import { hashRandom } from "../../data/random.ts";
import { percentile } from "../mean.ts";
import type { ScoreTable } from "../ranking/score_table.ts";
import { type Axis, axisAround, disc, place, type RowChart, rowChart, stroke } from "./row_chart.ts";
import { scoreText } from "./score_bars.ts";

/** Most cases that are drawn one by one; beyond, only those outside the whiskers. */
const MAX_DOTS = 60;

/** Five numbers of a box and what lies beyond. */
interface Box {
  readonly quartiles: readonly [number, number, number];
  /** Most extreme values within 1.5 times the box from it (Tukey 1977). */
  readonly whiskers: readonly [number, number];
  readonly outside: readonly number[];
}

/** Box plots of the case scores of every method, with a dot for each case. */
export function boxPlots(
  options: {
    readonly name: string;
    readonly title: string;
    readonly metric: string;
    readonly methods: readonly string[];
    readonly scores: ScoreTable;
  },
): Figure {
  const { name, title, metric, methods, scores } = options;
  const columns = methods.map((_, i) => scores.map((row) => row[i]).filter(Number.isFinite));
  const undefinedCount = methods.length * scores.length - columns.flat().length;
  const axis: Axis = axisAround(columns.flat());
  const chart = rowChart(methods, axis, { rowHeight: 34 });
  const boxes = columns.map((values) => values.length > 0 ? boxOf(values) : null);
  const marks = boxes.flatMap((box, row) => box ? drawBox(chart, row, box, columns[row]) : []);
  const note = undefinedCount > 0
    ? [svgText(`undefined: ${count(undefinedCount)}`, 0, chart.height + 14, "muted")]
    : [];
  return {
    name,
    title,
    description: `Box plots of ${metric} in ${count(scores.length)} cases for each method`,
    width: FIGURE_WIDTH,
    height: chart.height + (note.length > 0 ? 20 : 0),
    body: [...chart.frame, ...marks, ...note],
    table: {
      head: ["method", "cases", "lower quartile", "median", "upper quartile", "least", "most"],
      rows: methods.map((method, i) => [
        method,
        count(columns[i].length),
        ...(boxes[i]?.quartiles ?? [NaN, NaN, NaN]).map(scoreText),
        scoreText(columns[i].length > 0 ? Math.min(...columns[i]) : NaN),
        scoreText(columns[i].length > 0 ? Math.max(...columns[i]) : NaN),
      ]),
    },
  };
}

function boxOf(values: readonly number[]): Box {
  const [low, middle, high] = [25, 50, 75].map((percent) => percentile(values, percent));
  const reach = 1.5 * (high - low);
  const inside = values.filter((value) => value >= low - reach && value <= high + reach);
  return {
    quartiles: [low, middle, high],
    whiskers: [Math.min(low, ...inside), Math.max(high, ...inside)],
    outside: values.filter((value) => value < low - reach || value > high + reach),
  };
}

function drawBox(chart: RowChart, row: number, box: Box, values: readonly number[]): Markup[] {
  const y = chart.y(row), at = (value: number) => place(chart.x(value));
  const [low, middle, high] = box.quartiles.map(at);
  const [first, last] = box.whiskers.map(at);
  const random = hashRandom(row, values.length);
  const dots = values.length <= MAX_DOTS ? values : box.outside;
  return [
    element("rect", {
      class: "bar",
      "fill-opacity": 0.35,
      stroke: "currentColor",
      x: low,
      y: y - 9,
      width: high - low,
      height: 18,
    }),
    stroke(`M${first} ${y}H${low}M${high} ${y}H${last}M${first} ${y - 4}v8M${last} ${y - 4}v8`, 1),
    stroke(`M${middle} ${y - 9}v18`, 2),
    ...dots.map((value) => disc(at(value), y + (random.uniform() - 0.5) * 14, 2, { "fill-opacity": 0.8 })),
  ];
}
