import type { AxisKind } from "./curve.ts";
import { uPlot } from "./deps.ts";
import { formatDuration, formatNumber } from "./format.ts";
import type { LineChartProps } from "./line_chart.tsx";

/** What the horizontal axis is called. */
export const axisNames: Readonly<Record<AxisKind, string>> = {
  step: "step",
  epoch: "epoch",
  time: "training time",
};

const dashes: readonly number[][] = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const palette = 7;
const minutes = [1, 2, 5, 10, 15, 30], hours = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672];
const timeTicks = [minutes, minutes.map((m) => 60 * m), hours.map((h) => 3600 * h)].flat();

/** Which of the style sheet's line colours, from 1, and which dashes the line number `line`, from 0, has. */
export function lineStyle(line: number): { readonly color: number; readonly dash: number[] } {
  return { color: line % palette + 1, dash: dashes[Math.floor(line / palette) % dashes.length] };
}

/** Text of a place on the horizontal axis. */
export function formatX(x: number, axis: AxisKind): string {
  return axis === "time" ? formatDuration(x) : formatNumber(x);
}

let probe: HTMLElement | undefined;

/** Colour `--name` of the style sheet in the present theme, as #rrggbb. */
export function themeColor(name: string): string {
  if (probe === undefined) {
    probe = document.body.appendChild(document.createElement("i"));
    probe.hidden = true;
  }
  probe.style.color = `var(--${name})`;
  const channels = getComputedStyle(probe).color.match(/\d+/g) ?? [];
  return `#${channels.slice(0, 3).map((value) => Number(value).toString(16).padStart(2, "0")).join("")}`;
}

/** How uPlot draws a chart: for each line its values, lowest and highest, then the references. */
export function plotOptions(
  props: () => LineChartProps,
  state: {
    readonly log: boolean;
    readonly hidden: readonly string[];
    readonly onCursor: (index: number | null) => void;
  },
): Omit<uPlot.Options, "width" | "height"> {
  const { lines, references = [], axis } = props();
  const { log, hidden, onCursor } = state;
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = `${Math.round(0.78 * rem)}px ${getComputedStyle(document.body).fontFamily}`;
  const edge: uPlot.Series = { width: 0, points: { show: false }, stroke: "transparent" };
  const looks = {
    font,
    stroke: () => themeColor("muted"),
    grid: { stroke: () => themeColor("line"), width: 1 },
    ticks: { show: false },
  };
  return {
    legend: { show: false },
    cursor: {
      y: false,
      sync: { key: "spark3d" },
      drag: { x: true, y: false, setScale: false },
      bind: { dblclick: () => () => (props().onRange(null), null) },
    },
    scales: {
      x: {
        time: false,
        range: (_, min, max) => [...props().range ?? [min ?? 0, max ?? 1]] as [number, number],
      },
      y: log
        ? { distr: 3, range: (_, min, max) => uPlot.rangeLog(min, max, 10, false) }
        : { range: (_, min, max) => linearRange(min, max) },
    },
    axes: [
      {
        ...looks,
        space: 4.5 * rem,
        incrs: axis === "time" ? timeTicks : undefined,
        size: 1.9 * rem,
        values: (_, at) => at.map((x) => formatX(x, axis)),
      },
      {
        ...looks,
        grid: log ? { ...looks.grid, filter: decades } : looks.grid,
        size: 3.6 * rem,
        values: (_, at) => at.map((y) => y === null ? "" : formatTick(y, props().unit)),
      },
    ],
    series: [
      {},
      ...lines.flatMap(({ label }, i): uPlot.Series[] => {
        const show = !hidden.includes(label), { color, dash } = lineStyle(i);
        const stroke = () => themeColor(`data-${color}`);
        const points = { show: isSparse, size: 5, fill: stroke };
        return [{ label, show, dash, width: 1.75, points, stroke }, { ...edge, show }, { ...edge, show }];
      }),
      ...references.map(({ label }): uPlot.Series => (
        { label, width: 1, dash: [4, 4], points: { show: false }, stroke: () => themeColor("muted") }
      )),
    ],
    bands: lines.flatMap(({ band }, i): uPlot.Band[] =>
      band
        ? [{ series: [3 + 3 * i, 2 + 3 * i], fill: () => `${themeColor(`data-${lineStyle(i).color}`)}33` }]
        : []
    ),
    hooks: {
      init: [(u) => followTouch(u.over)],
      setCursor: [(u) => onCursor(u.cursor.idx ?? null)],
      setSelect: [(u) => {
        const { left, width } = u.select;
        if (width < 4) return;
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        props().onRange([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
      }],
    },
  };
}

/** Lets a finger do what a mouse does: uPlot listens to mice only. */
function followTouch(over: HTMLElement): void {
  const pairs = { touchstart: "mousedown", touchmove: "mousemove", touchend: "mouseup" } as const;
  for (const [touch, mouse] of Object.entries(pairs)) {
    over.addEventListener(touch, (event) => {
      const { clientX, clientY } = (event as TouchEvent).changedTouches[0];
      const place = { bubbles: true, clientX, clientY, movementX: 1 }; // uPlot ignores moves by nothing
      if (touch === "touchstart") over.dispatchEvent(new MouseEvent("mousemove", place));
      over.dispatchEvent(new MouseEvent(mouse, place));
    }, { passive: true });
  }
}

/** Room above and below the values; a constant gets as much as tells its size. */
function linearRange(min: number, max: number): uPlot.Range.MinMax {
  if (min !== max) return uPlot.rangeNum(min, max, 0.08, true);
  return !min ? [0, 1] : min > 0 ? [0, 2 * min] : [2 * min, 0];
}

/** Whether a line has so few values between two places that each deserves a point. */
function isSparse(u: uPlot, series: number, from: number, to: number): boolean {
  let values = 0;
  for (let i = from; i <= to; i++) if (typeof u.data[series][i] === "number") values++;
  return values * 16 * devicePixelRatio < u.bbox.width;
}

/** Powers of ten, where the axis spans more than two of them. */
function decades(_: uPlot, splits: number[]): (number | null)[] {
  const isPower = (value: number) => Math.abs(Math.log10(value) % 1) < 1e-9;
  return splits.filter(isPower).length < 3 ? splits : splits.map((value) => isPower(value) ? value : null);
}

function formatTick(value: number, unit: string): string {
  const drawn = unit === "%" ? 100 * value : value, size = Math.abs(drawn);
  const power = size >= 1e4 ? Math.min(5, Math.floor(Math.log10(size) / 3)) : 0;
  return `${Number((drawn / 1000 ** power).toPrecision(4))}${["", "k", "M", "G", "T", "P"][power]}`;
}
