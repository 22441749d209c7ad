/** @jsxImportSource npm:preact@11.2.0 */
import type { ChartSpec } from "./islands/chart_specs.ts";
import type { DrawnCurve } from "./islands/curve.ts";
import type { VNode } from "./islands/deps.ts";
import { formatNumber, formatValue } from "./islands/format.ts";

const WIDTH = 560, HEIGHT = 260, LEFT = 104, BOTTOM = 38, TOP = 8, RIGHT = 12;

/** A scale from values to pixels with round ticks inside its range. */
interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Round numbers (1, 2 or 5 times a power of ten) from `low` to `high`, about `count` of them. */
export function roundTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((digit) => digit * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from(
    { length: Math.max(0, last - first) + 1 },
    (_, i) => Number(((first + i) * step).toPrecision(12)),
  );
}

/** Powers of ten between two values, with their double and fivefold where that makes few. */
function powerTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const step = Math.max(1, Math.ceil((last - first) / 6));
  const powers = Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
  const fine = powers.flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));
  const inside = (ticks: readonly number[]) => ticks.filter((tick) => tick >= low && tick <= high);
  return inside(fine).length <= 6 ? inside(fine) : inside(powers.map((power) => 10 ** power));
}

function scale(low: number, high: number, from: number, to: number, log: boolean): Scale {
  const place = log ? Math.log10 : (value: number) => value;
  if (low === high) [low, high] = log ? [low / 10, 10 * high] : [Math.min(low, 0), Math.max(high, 0) || 1];
  const [start, end] = [place(low), place(high)];
  return {
    ticks: log ? powerTicks(low, high) : roundTicks(low, high, 5),
    at: (value) => from + (place(value) - start) / (end - start) * (to - from),
  };
}

/**
 * A chart of a run as it is now, for pages without scripts; null when there is nothing to draw.
 *
 * @param curves one for each curve of the chart; x counts steps
 */
export function StaticChart(
  { spec, curves }: { readonly spec: ChartSpec; readonly curves: readonly DrawnCurve[] },
): VNode | null {
  const values = (keys: readonly ("y" | "lowest" | "highest")[]) =>
    curves.flatMap((curve, i) => keys.flatMap((key) => key === "y" || spec.curves[i].band ? curve[key] : []))
      .filter((value) => value !== null);
  const all = values(["y", "lowest", "highest"]).concat(spec.references?.map(({ value }) => value) ?? []);
  const steps = curves.flatMap(({ x }) => x);
  if (values(["y"]).length === 0) return null;
  const extent = (list: readonly number[]) =>
    list.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  const [low, high] = extent(all), [first, last] = extent(steps);
  const x = scale(first, last, LEFT, WIDTH - RIGHT, false);
  const y = scale(low, high, HEIGHT - BOTTOM, TOP, spec.log ?? false);
  const point = (curve: DrawnCurve, i: number, value: number) =>
    `${x.at(curve.x[i]).toFixed(1)} ${y.at(value).toFixed(1)}`;
  const line = (curve: DrawnCurve) =>
    curve.y.map((value, i) =>
      value === null ? "" : `${i === 0 || curve.y[i - 1] === null ? "M" : "L"}${point(curve, i, value)}`
    ).join("");
  const band = (curve: DrawnCurve) => {
    const known = [...curve.x.keys()].filter((i) => curve.lowest[i] !== null && curve.highest[i] !== null);
    const side = (values: readonly (number | null)[], order: number[]) =>
      order.map((i) => point(curve, i, values[i]!)).join("L");
    return known.length < 2
      ? ""
      : `M${side(curve.highest, known)}L${side(curve.lowest, known.toReversed())}Z`;
  };
  return (
    <figure class="static-chart">
      <figcaption>{spec.title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${spec.title} over training steps`}>
        {y.ticks.map((tick) => (
          <g key={tick}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y.at(tick)} y2={y.at(tick)} />
            <text x={LEFT - 6} y={y.at(tick) + 4} text-anchor="end">{formatValue(tick, spec.unit)}</text>
          </g>
        ))}
        {x.ticks.map((tick) => (
          <text key={tick} x={x.at(tick)} y={HEIGHT - BOTTOM + 18} text-anchor="middle">
            {formatNumber(tick)}
          </text>
        ))}
        <text x={WIDTH - RIGHT} y={HEIGHT - 4} text-anchor="end">step</text>
        {spec.references?.map(({ label, value }) => (
          <line key={label} class="reference" x1={LEFT} x2={WIDTH - RIGHT} y1={y.at(value)} y2={y.at(value)}>
            <title>{label}</title>
          </line>
        ))}
        {curves.map((curve, i) =>
          spec.curves[i].band && <path key={i} class={`band data-${i % 7 + 1}`} d={band(curve)} />
        )}
        {curves.map((curve, i) => <path key={i} class={`curve data-${i % 7 + 1}`} d={line(curve)} />)}
      </svg>
      <ul class="legend">
        {spec.curves.map(({ label }, i) => {
          const newest = curves[i].y.findLast((value) => value !== null);
          return newest !== undefined && newest !== null && (
            <li key={label}>
              <svg viewBox="0 0 16 4" width="16" height="4" aria-hidden="true">
                <path class={`curve data-${i % 7 + 1}`} d="M0 2H16" />
              </svg>{" "}
              {label}: {formatValue(newest, spec.unit)}
            </li>
          );
        })}
        {spec.references?.map(({ label, value }) => (
          <li key={label}>– – {label}: {formatValue(value, spec.unit)}</li>
        ))}
      </ul>
    </figure>
  );
}
