import { type Figure, FIGURE_WIDTH, FONT_SIZE, svgLabel, svgText } from "./figure.ts";
import { element, type Markup } from "./markup.ts";
import type { Category, FieldCounts } from "./tally.ts";
import { count, counted, percent, textWidth } from "./text.ts";

/** What a bar chart shows. */
export interface BarChartOptions {
  readonly name: string;
  readonly title: string;
  readonly counts: FieldCounts;
  /** What is counted, in the singular: `volume`, `subject`. */
  readonly unit: string;
  /** What the categories are, in the singular: `centre`, `scanner`. */
  readonly category: string;
  /** Most rows; categories beyond share one, without a bar, since their sum is no category. 20 when left out. */
  readonly maxRows?: number;
}

const ROW_HEIGHT = 24;
const BAR_HEIGHT = 14;
const MAX_LABEL = 190;
const GAP = 8;

interface Row extends Category {
  readonly kind: "bar" | "rest" | "unstated";
}

/** Horizontal bars with counts and shares; what is not stated has a dashed outline instead of a colour. */
export function barChart(options: BarChartOptions): Figure {
  const { name, title, counts, unit, category } = options;
  const total = counts.categories.reduce((sum, item) => sum + item.count, counts.notStated);
  const rows = chartRows(counts, category, options.maxRows ?? 20);
  return {
    name,
    title,
    description: `Bars: ${counted(total, unit)} by ${category}`,
    width: FIGURE_WIDTH,
    height: Math.max(1, rows.length) * ROW_HEIGHT + 4,
    body: rows.length === 0 ? [svgText(`No ${unit}`, 0, 16, "muted")] : drawRows(rows, total),
    table: {
      head: [category, `${unit}s`, "share"],
      rows: [...counts.categories, ...unstatedRow(counts)]
        .map((row) => [row.name, count(row.count), percent(row.count, total)]),
    },
  };
}

function chartRows(counts: FieldCounts, category: string, maxRows: number): Row[] {
  const { categories } = counts;
  const shown = categories.length > maxRows ? maxRows - 1 : categories.length;
  const rest = categories.slice(shown);
  const sum = rest.reduce((all, item) => all + item.count, 0);
  return [
    ...categories.slice(0, shown).map((item): Row => ({ ...item, kind: "bar" })),
    ...(rest.length > 0
      ? [
        {
          name: `${count(rest.length)} other ${category.replace(/y$/, "ie")}s`,
          count: sum,
          kind: "rest",
        } as const,
      ]
      : []),
    ...unstatedRow(counts),
  ];
}

function unstatedRow({ notStated }: FieldCounts): Row[] {
  return notStated > 0 ? [{ name: "not stated", count: notStated, kind: "unstated" }] : [];
}

function drawRows(rows: readonly Row[], total: number): Markup[] {
  const values = rows.map((row) => `${count(row.count)} (${percent(row.count, total)})`);
  const labelWidth = Math.min(MAX_LABEL, Math.max(...rows.map((row) => textWidth(row.name, FONT_SIZE))));
  const valueWidth = Math.max(...values.map((value) => textWidth(value, FONT_SIZE)));
  const left = labelWidth + GAP;
  const room = FIGURE_WIDTH - left - GAP - valueWidth;
  const largest = Math.max(...rows.map((row) => row.kind === "rest" ? 1 : row.count));
  return rows.flatMap((row, i) => {
    const middle = i * ROW_HEIGHT + ROW_HEIGHT / 2;
    const width = row.kind === "rest" ? 0 : Math.max(1, room * row.count / largest);
    const baseline = middle + FONT_SIZE * 0.35;
    return [
      svgLabel(row.name, labelWidth, baseline, MAX_LABEL, row.kind === "bar" ? "end" : "end muted"),
      ...(width > 0
        ? [
          element("rect", {
            class: row.kind,
            x: left,
            y: middle - BAR_HEIGHT / 2,
            width,
            height: BAR_HEIGHT,
          }),
        ]
        : []),
      svgText(values[i], width > 0 ? left + width + GAP : left, baseline, "muted"),
    ];
  });
}
