/** @jsxImportSource npm:preact@11.2.0 */
import type { VNode } from "./deps.ts";
import type { LineChartProps } from "./line_chart.tsx";
import { axisNames, formatX } from "./plot_options.ts";

/** Rows of a table, evenly spread over the values. */
const ROWS = 21;

/**
 * The values of a chart as a table, for those who cannot see it.
 *
 * @param xs places on the horizontal axis
 * @param reading text of a line's value at the index of a place
 */
export function ChartTable(
  { title, axis, lines, xs, reading }: Pick<LineChartProps, "title" | "axis" | "lines"> & {
    readonly xs: readonly number[];
    readonly reading: (line: number, index: number) => string;
  },
): VNode {
  const rows = [
    ...new Set(Array.from({ length: ROWS }, (_, i) => Math.round(i * (xs.length - 1) / (ROWS - 1)))),
  ];
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${title} as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{axisNames[axis]}</th>
            {lines.map(({ label }) => <th key={label} scope="col">{label}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row}>
              <th scope="row">{formatX(xs[row], axis)}</th>
              {lines.map(({ label }, i) => <td key={label}>{reading(i, row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
