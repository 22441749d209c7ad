import { type Figure, FIGURE_WIDTH } from "../../data/report/figure.ts";
import { compact, percent } from "../../data/report/text.ts";
import type { RankedDataset } from "../ranking/rank_stability.ts";
import { disc, place, rowChart, stroke, withTitle } from "./row_chart.ts";

/** Radius of a blob that holds all resamples. */
const FULL_RADIUS = 11;

/**
 * Rank distribution of every method over resamples: the area of a blob is the share of resamples with that rank, a cross marks the median and
 * a line the range from the 2.5th to the 97.5th percentile. Methods in the order of their rank on all cases.
 */
export function rankBlobs(
  name: string,
  title: string,
  methods: readonly string[],
  ranked: RankedDataset,
): Figure {
  const order = [...methods.keys()]
    .sort((a, b) => ranked.methods[a].rank - ranked.methods[b].rank || a - b);
  const ticks = methods.map((_, i) => i + 1);
  const axis = { low: 0.5, high: methods.length + 0.5, ticks };
  const chart = rowChart(order.map((i) => methods[i]), axis);
  const radius = Math.min(FULL_RADIUS, (chart.right - chart.left) / methods.length / 2);
  const marks = order.flatMap((i, row) => {
    const { shares, median, interval } = ranked.methods[i];
    const y = chart.y(row), middle = place(chart.x(median));
    const blobs = shares.flatMap((share, rank) =>
      share > 0
        ? [withTitle(`${methods[i]}: rank ${rank + 1} in ${percent(share, 1)} of resamples`, [
          disc(chart.x(rank + 1), y, radius * Math.sqrt(share), { "fill-opacity": 0.75 }),
        ])]
        : []
    );
    return [
      ...blobs,
      stroke(`M${place(chart.x(interval[0]))} ${y}H${place(chart.x(interval[1]))}`, 1),
      stroke(`M${middle - 4} ${y - 4}l8 8m0 -8l-8 8`, 1.5),
    ];
  });
  return {
    name,
    title,
    description:
      "Rank distribution over bootstrap resamples: area of a blob is its share, cross median, line 95 % interval",
    width: FIGURE_WIDTH,
    height: chart.height,
    body: [...chart.frame, ...marks],
    table: {
      head: ["method", "rank", "median", "95 % interval", ...ticks.map((rank) => `share of rank ${rank}`)],
      rows: order.map((i) => {
        const { rank, median, interval, shares } = ranked.methods[i];
        return [
          methods[i],
          `${rank}`,
          compact(median),
          interval.map((end) => compact(end)).join(" to "),
          ...shares.map((share) => percent(share, 1)),
        ];
      }),
    },
  };
}
