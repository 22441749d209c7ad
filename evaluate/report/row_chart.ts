import { FIGURE_WIDTH, FONT_SIZE, svgLabel, svgText } from "../../data/report/figure.ts";
import { type Child, element, type Markup } from "../../data/report/markup.ts";
import { compact, textWidth } from "../../data/report/text.ts";

/** Values along a horizontal axis. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

/** What all charts with one row a method have in common. */
export interface RowChart {
  readonly height: number;
  /** Left and right end of the plot. */
  readonly left: number;
  readonly right: number;
  readonly rowHeight: number;
  /** Horizontal place of a value. */
  x(value: number): number;
  /** Vertical middle of a row. */
  y(row: number): number;
  /** Labels, grid lines and ticks. */
  readonly frame: readonly Markup[];
}

const MAX_LABEL = 150;
const AXIS_HEIGHT = 24;
const GAP = 10;

/**
 * Rows with labels at the left above a common axis.
 *
 * @param valueRoom width kept free at the right, for values beside the plot
 */
export function rowChart(
  labels: readonly string[],
  { low, high, ticks }: Axis,
  { rowHeight = 26, valueRoom = 12 } = {},
): RowChart {
  const labelWidth = Math.min(MAX_LABEL, Math.max(0, ...labels.map((label) => textWidth(label, FONT_SIZE))));
  const left = labelWidth + GAP, right = FIGURE_WIDTH - valueRoom;
  const bottom = labels.length * rowHeight;
  const x = (value: number) => left + (value - low) / (high - low) * (right - left);
  const y = (row: number) => (row + 0.5) * rowHeight;
  const baseline = FONT_SIZE * 0.35;
  const frame = [
    ...ticks.flatMap((tick) => [
      element("path", { class: "line", d: `M${place(x(tick))} 0V${bottom}` }),
      svgText(compact(tick, 4), x(tick), bottom + 17, "muted small middle"),
    ]),
    ...labels.map((label, row) => svgLabel(label, labelWidth, y(row) + baseline, MAX_LABEL, "end")),
  ];
  return { height: bottom + AXIS_HEIGHT, left, right, rowHeight, x, y, frame };
}

/** An axis around values, with at most `count` ticks at 1, 2 or 5 times a power of ten; it begins at 0 with `fromZero`. */
export function axisAround(values: readonly number[], { fromZero = false, count = 6 } = {}): Axis {
  const finite = values.filter(Number.isFinite);
  let low = Math.min(...finite, ...(fromZero || finite.length === 0 ? [0] : []));
  let high = Math.max(...finite, ...(finite.length === 0 ? [1] : []));
  if (!(high > low)) [low, high] = fromZero ? [0, high || 1] : [low - 0.5, high + 0.5];
  const power = 10 ** Math.floor(Math.log10((high - low) / count));
  const step = [1, 2, 5, 10, 20].map((factor) => factor * power).find((size) =>
    (high - low) / size <= count
  )!;
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  return { low, high, ticks };
}

/** A line in the colour of text. */
export function stroke(d: string, width = 1.5): Markup {
  return element("path", { d, stroke: "currentColor", "stroke-width": width, fill: "none" });
}

/** A line from `low` to `high` in a row, with short ends. */
export function whisker(chart: RowChart, row: number, low: number, high: number): Markup {
  const y = chart.y(row), a = place(chart.x(low)), b = place(chart.x(high));
  return stroke(`M${a} ${y - 4}v8M${a} ${y}H${b}M${b} ${y - 4}v8`);
}

/** A disc. */
export function disc(
  x: number,
  y: number,
  r: number,
  attributes: Record<string, string | number> = {},
): Markup {
  return element("circle", { class: "bar", cx: x, cy: y, r, ...attributes });
}

/** Markup with a tooltip. */
export function withTitle(title: string, children: readonly Child[]): Markup {
  return element("g", {}, [element("title", {}, [title]), ...children]);
}

/** A coordinate with two decimals. */
export function place(value: number): number {
  return Math.round(value * 100) / 100;
}
