import { type Figure, FIGURE_WIDTH, group, svgText } from "./figure.ts";
import type { GeometryCounts } from "./geometry_counts.ts";
import type { Histogram } from "./histogram.ts";
import { element, type Markup } from "./markup.ts";
import { MAX_AGE } from "./person_facts.ts";
import type { AgeCounts } from "./report_numbers.ts";
import { compact, count, counted } from "./text.ts";

const LEFT = 48;
const NOTE_HEIGHT = 20;
/** Width kept for the values above the last bin. */
const ABOVE_ROOM = 34;

/** One histogram in a frame of its own. */
interface Plot {
  readonly histogram: Histogram;
  readonly height: number;
  /** Text below the bar of the values above the last bin. */
  readonly aboveLabel?: string;
  /** Distance of the labels below the axis; no labels when left out. */
  readonly tickStep?: number;
}

/** Ages of subjects: bins of five years, one bar for all above 89. */
export function ageChart(ages: AgeCounts): Figure {
  const { histogram, quartiles, stated, notStated, notRecognised } = ages;
  const subjects = stated + notStated + notRecognised;
  const height = 180;
  const spread = quartiles
    ? `median ${compact(quartiles[1], 1)} years, half between ${compact(quartiles[0], 1)} and ${
      compact(quartiles[2], 1)
    }`
    : null;
  const notes = [
    spread,
    notStated > 0 ? `not stated: ${count(notStated)} of ${counted(subjects, "subject")}` : null,
    notRecognised > 0 ? `not recognised: ${count(notRecognised)}` : null,
  ].filter((note) => note !== null);
  const drawn = stated > 0
    ? [
      svgText("subjects", 0, 12, "muted small"),
      group(0, 26, drawPlot({ histogram, height, aboveLabel: `> ${MAX_AGE}`, tickStep: 10 })),
      svgText("age in years", LEFT, height + 60, "muted small"),
    ]
    : [];
  const top = stated > 0 ? height + 70 : 0;
  return {
    name: "ages",
    title: "Age",
    description: `Histogram: ages of ${counted(stated, "subject")}`,
    width: FIGURE_WIDTH,
    height: top + Math.max(1, notes.length) * NOTE_HEIGHT,
    body: [...drawn, ...noteLines(notes.length > 0 ? notes : ["No subject"], top)],
    table: {
      head: ["age in years", "subjects"],
      rows: [
        ...binRows(histogram, (low, high) => `${low} to ${high - 1}`),
        ...(histogram.above > 0 ? [[`above ${MAX_AGE}`, count(histogram.above)]] : []),
        ...(notRecognised > 0 ? [["not recognised", count(notRecognised)]] : []),
        ...(notStated > 0 ? [["not stated", count(notStated)]] : []),
      ],
    },
  };
}

/** What a chart of spacings or sizes is called. */
export interface GeometryChartOptions {
  readonly name: string;
  readonly title: string;
  /** Unit of the values: `mm`, `voxels`. */
  readonly unit: string;
  readonly counts: GeometryCounts;
}

/** Shortest, middle and longest edge below one another on a common scale, each with its own scale of counts. */
export function geometryChart({ name, title, unit, counts }: GeometryChartOptions): Figure {
  const rowHeight = 74, titleHeight = 27, digits = unit === "mm" ? 2 : 0;
  const step = counts.axes.length > 0 ? tickStep(counts.axes[0].histogram) : 1;
  const rows = counts.axes.flatMap(({ edge, histogram, quartiles }, i) => {
    const top = i * (rowHeight + titleHeight + 8);
    const [q1, median, q3] = quartiles.map((value) => compact(value, digits));
    const spread = q1 === q3 ? `${median} ${unit}` : `median ${median} ${unit}, half between ${q1} and ${q3}`;
    return [
      svgText(`${edge}: ${spread}`, 0, top + 14, "small"),
      group(
        0,
        top + titleHeight,
        drawPlot({ histogram, height: rowHeight, ...(i === 2 ? { tickStep: step } : {}) }),
      ),
    ];
  });
  const above = Math.max(0, ...counts.axes.map(({ histogram }) => histogram.above));
  const notes = [
    above > 0 ? `right of the gap: larger than ${compact(binEnd(counts.axes[0].histogram))} ${unit}` : null,
    counts.notStated > 0 ? `not stated: ${counted(counts.notStated, "volume")}` : null,
  ].filter((note) => note !== null);
  const bottom = counts.axes.length > 0 ? 3 * (rowHeight + titleHeight + 8) + 34 : 0;
  const axis = bottom > 0 ? [svgText(unit, LEFT, bottom - 8, "muted small")] : [];
  const empty = counts.axes.length === 0 && notes.length === 0 ? ["No volume"] : [];
  return {
    name,
    title,
    description: `Histograms of the three edges of ${counted(counts.volumes, "volume")}, ${unit}`,
    width: FIGURE_WIDTH,
    height: bottom + Math.max(notes.length + empty.length, bottom > 0 ? 0 : 1) * NOTE_HEIGHT + 4,
    body: [...rows, ...axis, ...noteLines([...notes, ...empty], bottom)],
    table: {
      head: ["edge", unit, "volumes"],
      rows: counts.axes.flatMap(({ edge, histogram }) => [
        ...binRows(histogram, (low, high) => `${compact(low, 3)} to ${compact(high, 3)}`).map((
          row,
        ) => [edge, ...row]),
        ...(histogram.above > 0
          ? [[edge, `above ${compact(binEnd(histogram), 3)}`, count(histogram.above)]]
          : []),
      ]),
    },
  };
}

/** Filled bins as rows of a table. */
function binRows(
  { start, step, counts }: Histogram,
  label: (low: number, high: number) => string,
): string[][] {
  return counts.flatMap((value, i) =>
    value > 0 ? [[label(start + i * step, start + (i + 1) * step), count(value)]] : []
  );
}

function binEnd({ start, step, counts }: Histogram): number {
  return start + step * counts.length;
}

/** Bars above an axis, with the largest count as a grid line. */
function drawPlot({ histogram, height, aboveLabel, tickStep }: Plot): Markup[] {
  const { start, step, counts, above } = histogram;
  const width = FIGURE_WIDTH - LEFT - (above > 0 || aboveLabel ? ABOVE_ROOM : 0) - 8;
  const largest = Math.max(1, above, ...counts);
  const bin = width / counts.length;
  const bar = (value: number, x: number, barWidth: number): Markup[] => {
    if (value === 0) return [];
    const tall = Math.max(1, height * value / largest);
    return [
      element("rect", { class: "bar", x, y: height - tall, width: Math.max(0.75, barWidth), height: tall }),
    ];
  };
  const gap = Math.min(1.5, bin * 0.15);
  const marks = [
    element("path", { class: "line", d: `M${LEFT} 0.5H${FIGURE_WIDTH}` }),
    ...counts.flatMap((value, i) => bar(value, LEFT + i * bin + gap / 2, bin - gap)),
    ...bar(above, FIGURE_WIDTH - ABOVE_ROOM + 6, Math.min(22, Math.max(bin - gap, 8))),
    element("path", { class: "line", d: `M${LEFT} ${height + 0.5}H${FIGURE_WIDTH}` }),
    svgText(count(largest), LEFT - 6, 5, "muted small end"),
    svgText("0", LEFT - 6, height + 4, "muted small end"),
  ];
  if (aboveLabel !== undefined && above > 0) {
    marks.push(svgText(aboveLabel, FIGURE_WIDTH - ABOVE_ROOM + 17, height + 16, "muted small middle"));
  }
  if (tickStep === undefined) return marks;
  const end = start + step * counts.length;
  for (let n = Math.ceil(start / tickStep - 1e-9); n * tickStep < end + (above > 0 ? -1e-9 : 1e-9); n++) {
    const x = LEFT + (n * tickStep - start) / (end - start) * width;
    marks.push(
      element("path", { class: "line", d: `M${Math.round(x * 100) / 100} ${height}v5` }),
      svgText(compact(n * tickStep, 3), x, height + 17, "muted small middle"),
    );
  }
  return marks;
}

/** Distance of labels, 1, 2 or 5 times a power of ten, so that there are at most eight. */
function tickStep(histogram: Histogram): number {
  const range = histogram.step * histogram.counts.length;
  const power = 10 ** Math.floor(Math.log10(range / 8));
  return [1, 2, 5, 10].map((factor) => Number((factor * power).toPrecision(3))).find((step) =>
    range / step <= 8
  )!;
}

function noteLines(notes: readonly string[], top: number): Markup[] {
  return notes.map((note, i) => svgText(note, 0, top + 14 + i * NOTE_HEIGHT, "muted"));
}
