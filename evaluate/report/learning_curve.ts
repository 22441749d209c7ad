import { type Figure, FIGURE_WIDTH, FONT_SIZE, svgText } from "../../data/report/figure.ts";
import { element, type Markup } from "../../data/report/markup.ts";
import { compact, textWidth } from "../../data/report/text.ts";
import { axisAround, place } from "./row_chart.ts";
import { type Estimate, scoreText } from "./score_bars.ts";

/** Scores of one method with growing amounts of data. */
export interface Curve {
  readonly method: string;
  readonly points: readonly (Estimate & { readonly amount: number })[];
}

/** What to draw. */
export interface LearningCurveOptions {
  readonly name: string;
  readonly title: string;
  readonly metric: string;
  /** What the amounts are: "labelled cases". */
  readonly amounts: string;
  readonly curves: readonly Curve[];
}

/** Told apart with every common colour blindness, visible on white and on black (Okabe and Ito 2008). */
const COLOURS = ["#e69f00", "#009e73", "#0072b2", "#cc79a7", "#d55e00", "#56b4e9"];
const DASHES = ["6 4", "2 3", "none", "9 3 2 3", "1 2", "12 4"];
const PLOT_HEIGHT = 190;
const LEFT = 52;
const RIGHT = 14;
/** Horizontal distance of the intervals of two methods at one amount. */
const STAGGER = 5;

/** Mean score against the amount of data on a logarithmic axis, one line a method, with intervals. */
export function learningCurve({ name, title, metric, amounts, curves }: LearningCurveOptions): Figure {
  const all = [...new Set(curves.flatMap(({ points }) => points.map(({ amount }) => amount)))]
    .sort((a, b) => a - b);
  const axis = axisAround(
    curves.flatMap(({ points }) => points.flatMap(({ mean, low, high }) => [mean, low, high])),
  );
  const width = FIGURE_WIDTH - LEFT - RIGHT - 40;
  const span = Math.log(all.at(-1)! / all[0]) || 1;
  const x = (amount: number) => LEFT + 20 + Math.log(amount / all[0]) / span * width;
  const y = (value: number) => 6 + (axis.high - value) / (axis.high - axis.low) * PLOT_HEIGHT;
  const bottom = y(axis.low);
  const legend = drawLegend(curves.map(({ method }) => method), bottom + 52);
  return {
    name,
    title,
    description:
      `${metric} of ${curves.length} methods against the number of ${amounts}, with 95 % bootstrap intervals`,
    width: FIGURE_WIDTH,
    height: legend.bottom,
    body: [
      ...axis.ticks.flatMap((tick) => [
        element("path", { class: "line", d: `M${LEFT} ${place(y(tick))}H${FIGURE_WIDTH - RIGHT}` }),
        svgText(compact(tick, 4), LEFT - 6, y(tick) + FONT_SIZE * 0.35, "muted small end"),
      ]),
      ...all.map((amount) => svgText(`${amount}`, x(amount), bottom + 18, "muted small middle")),
      svgText(amounts, LEFT + (FIGURE_WIDTH - LEFT - RIGHT) / 2, bottom + 34, "muted small middle"),
      ...curves.flatMap((curve, i) => drawCurve(curve, i, (i - (curves.length - 1) / 2) * STAGGER, x, y)),
      ...legend.marks,
    ],
    table: {
      head: ["method", amounts, metric, "low", "high"],
      rows: curves.flatMap(({ method, points }) =>
        points.map((
          { amount, mean, low, high },
        ) => [method, `${amount}`, ...[mean, low, high].map(scoreText)])
      ),
    },
  };
}

function drawCurve(
  { points }: Curve,
  index: number,
  shift: number,
  x: (amount: number) => number,
  y: (value: number) => number,
): Markup[] {
  const colour = COLOURS[index % COLOURS.length];
  const shown = [...points].filter(({ mean }) => Number.isFinite(mean)).sort((a, b) => a.amount - b.amount);
  const at = shown.map(({ amount, mean }) => `${place(x(amount) + shift)} ${place(y(mean))}`);
  return [
    ...(at.length > 1 ? [curveLine(`M${at.join("L")}`, index)] : []),
    ...shown.flatMap(({ amount, mean, low, high }) => {
      const px = place(x(amount) + shift);
      const range = high > low
        ? [
          element("path", {
            d: `M${px} ${place(y(low))}V${place(y(high))}`,
            stroke: colour,
            "stroke-width": 1.5,
          }),
        ]
        : [];
      return [...range, element("circle", { cx: px, cy: place(y(mean)), r: 4, fill: colour })];
    }),
  ];
}

function curveLine(d: string, index: number): Markup {
  return element("path", {
    d,
    stroke: COLOURS[index % COLOURS.length],
    "stroke-width": 2,
    "stroke-dasharray": DASHES[index % DASHES.length],
    fill: "none",
  });
}

/** Names beside pieces of their lines, in as many rows as they need. */
function drawLegend(methods: readonly string[], top: number): { marks: Markup[]; bottom: number } {
  let left = LEFT, row = top;
  const marks = methods.flatMap((method, i) => {
    const width = 34 + textWidth(method, FONT_SIZE) + 16;
    if (left > LEFT && left + width > FIGURE_WIDTH) [left, row] = [LEFT, row + 22];
    const piece = [
      curveLine(`M${place(left)} ${row}h26`, i),
      svgText(method, left + 34, row + FONT_SIZE * 0.35),
    ];
    left += width;
    return piece;
  });
  return { marks, bottom: row + 14 };
}
