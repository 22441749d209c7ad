/** @jsxImportSource npm:preact@11.2.0 */
import { chartPicture } from "./chart_picture.ts";
import { ChartTable } from "./chart_table.tsx";
import { type AxisKind, type Curve, drawCurve } from "./curve.ts";
import { uPlot, useEffect, useMemo, useRef, useState, type VNode } from "./deps.ts";
import { downloadCanvas } from "./download_canvas.ts";
import { formatValue } from "./format.ts";
import { axisNames, formatX, lineStyle, plotOptions } from "./plot_options.ts";

/** A curve of a chart and how it is drawn. */
export interface ChartLine {
  readonly label: string;
  readonly curve: Curve;
  readonly stepsPerEpoch: number;
  /** Whether lowest to highest value are shaded. */
  readonly band?: boolean;
  readonly map?: (value: number) => number;
}

/** Range of the horizontal axis in its unit; null shows everything. */
export type ChartRange = readonly [number, number] | null;

/** Props of {@linkcode LineChart}. */
export interface LineChartProps {
  readonly title: string;
  /** Unit of the vertical axis. */
  readonly unit: string;
  /** Whether the vertical axis starts logarithmic. */
  readonly log?: boolean;
  readonly lines: readonly ChartLine[];
  readonly references?: readonly { readonly label: string; readonly value: number }[];
  readonly axis: AxisKind;
  /** Weight of the old value in the moving average, 0 for none. */
  readonly smoothing: number;
  readonly range: ChartRange;
  readonly onRange: (range: ChartRange) => void;
  /** Address of the data as CSV. */
  readonly csv: string;
}

type Column = readonly (number | null | undefined)[];

/** A chart of curves over steps, epochs or time: zoomed by dragging, read with the mouse or the arrow keys. */
export function LineChart(props: LineChartProps): VNode {
  const { title, unit, lines, references = [], axis, smoothing, range } = props;
  const holder = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), latest = useRef(props);
  latest.current = props;
  const [log, setLog] = useState(props.log ?? false);
  const [hidden, setHidden] = useState<readonly string[]>([]);
  const [cursor, setCursor] = useState<number | null>(null);
  const [spoken, setSpoken] = useState("");
  const [table, setTable] = useState(false);

  const data = useMemo(() => {
    const tables = lines.map((line) => {
      const { x, y, lowest, highest } = drawCurve(line.curve, { ...line, axis, smoothing, log });
      return [x, y, lowest, highest];
    });
    const joined: Column[] = uPlot.join(tables as unknown as uPlot.AlignedData[]) as unknown as Column[];
    return [...joined, ...references.map(({ value }) => joined[0].map(() => value))];
  }, [lines, axis, smoothing, log, JSON.stringify(references)]);
  const shape = JSON.stringify([
    lines.map(({ label, band }) => [label, band]),
    references,
    axis,
    log,
    hidden,
  ]);

  useEffect(() => {
    const element = holder.current!;
    const size = () => ({ width: element.clientWidth, height: element.clientHeight });
    const options = plotOptions(() => latest.current, { log, hidden, onCursor: setCursor });
    const u = plot.current = new uPlot(
      { ...options, ...size() },
      data as unknown as uPlot.AlignedData,
      element,
    );
    const resize = new ResizeObserver(() => u.setSize(size()));
    resize.observe(element);
    const redraw = () => u.redraw(false);
    const theme = new MutationObserver(redraw), system = matchMedia("(prefers-color-scheme: dark)");
    theme.observe(document.documentElement, { attributes: true });
    system.addEventListener("change", redraw);
    return () => {
      resize.disconnect();
      theme.disconnect();
      system.removeEventListener("change", redraw);
      u.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(data as unknown as uPlot.AlignedData), [data, range]);

  const xs = data[0] as readonly number[];
  const start = range === null ? 0 : Math.max(0, xs.findIndex((x) => x >= range[0]));
  const end = range === null ? xs.length - 1 : Math.max(start, xs.findLastIndex((x) => x <= range[1]));
  const place = cursor === null ? end : Math.max(start, Math.min(cursor, end));
  const reading = (line: number, index: number) => {
    const known = data[1 + 3 * line].slice(0, index + 1).findLast((value) => typeof value === "number");
    return formatValue(known, unit);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const u = plot.current;
    if (!u || xs.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const stride = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: place - stride, ArrowRight: place + stride, Home: start, End: end }[event.key] ??
      null;
    if (to !== null) {
      const index = Math.max(start, Math.min(end, to));
      u.setCursor({ left: Math.max(0, u.valToPos(xs[index], "x")), top: 1 });
      setCursor(index);
      setSpoken(
        [
          `${axisNames[axis]} ${formatX(xs[index], axis)}`,
          ...lines.map(({ label }, i) => `${label} ${reading(i, index)}`),
        ].join(", "),
      );
    } else if (event.key === "+" || event.key === "-") {
      const width = (xs[end] - xs[start]) * (event.key === "+" ? 0.5 : 2), all = xs[xs.length - 1] - xs[0];
      const from = Math.max(xs[0], Math.min(xs[place] - width / 2, xs[xs.length - 1] - width));
      props.onRange(width < all ? [from, from + width] : null);
    } else if (event.key === "Escape") props.onRange(null);
    else return;
    event.preventDefault();
  };
  const toggle = (label: string) =>
    setHidden(hidden.includes(label) ? hidden.filter((other) => other !== label) : [...hidden, label]);
  const savePicture = () => {
    const labels = lines.map(({ label }) => label);
    if (plot.current) {
      downloadCanvas(chartPicture(plot.current, unit ? `${title} (${unit})` : title, labels), title);
    }
  };

  return (
    <figure class="chart panel">
      <figcaption>
        <h3>{title} {unit && <small>{unit}</small>}</h3>
        <button type="button" aria-pressed={log} onClick={() => setLog(!log)}>log</button>
        <button type="button" aria-pressed={table} onClick={() => setTable(!table)}>table</button>
        <a class="button" href={props.csv} download aria-label={`${title} as CSV`}>CSV</a>
        <button type="button" aria-label={`${title} as PNG`} onClick={savePicture}>PNG</button>
      </figcaption>
      <div
        ref={holder}
        class="plot"
        tabIndex={0}
        role="img"
        aria-label={`${title} over ${
          axisNames[axis]
        }, ${lines.length} curves. Arrow keys read values, plus and minus zoom, Escape shows everything.`}
        onKeyDown={onKeyDown}
      />
      <p class="hidden" aria-live="polite">{spoken}</p>
      <ul class="legend">
        <li>
          {axisNames[axis]} <b class="number">{xs.length === 0 ? "–" : formatX(xs[place], axis)}</b>
        </li>
        {lines.map(({ label }, i) => (
          <li key={label}>
            <button type="button" aria-pressed={!hidden.includes(label)} onClick={() => toggle(label)}>
              <svg class={`swatch data-${lineStyle(i).color}`} viewBox="0 0 20 4" aria-hidden="true">
                <path d="M0 2h20" stroke-dasharray={lineStyle(i).dash.join(" ")} />
              </svg>
              {label} <b class="number">{reading(i, place)}</b>
            </button>
          </li>
        ))}
        {references.map(({ label, value }) => (
          <li key={label}>
            <svg class="swatch" viewBox="0 0 20 4" aria-hidden="true">
              <path d="M0 2h20" stroke-dasharray="4 4" />
            </svg>
            {label} <b class="number">{formatValue(value, unit)}</b>
          </li>
        ))}
      </ul>
      {table && <ChartTable {...{ title, axis, lines, xs, reading }} />}
    </figure>
  );
}
