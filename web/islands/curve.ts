import type { Series } from "../api.ts";

/** What the horizontal axis of a chart counts. */
export type AxisKind = "step" | "epoch" | "time";

/** A metric in the browser: column arrays of equal length in order of step, NaN where there is no value. */
export interface Curve {
  readonly step: readonly number[];
  readonly mean: readonly number[];
  readonly lowest: readonly number[];
  readonly highest: readonly number[];
  /** Seconds of training. */
  readonly seconds: readonly number[];
}

/** What is drawn of a curve: x in units of its axis, null where the line is interrupted. */
export interface DrawnCurve {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
  readonly lowest: readonly (number | null)[];
  readonly highest: readonly (number | null)[];
}

/** Points that a curve keeps at most, whatever arrives while its page is open. */
export const POINT_LIMIT = 2000;

const numbers = (values: readonly (number | null)[]) => values.map((value) => value ?? NaN);

/** A series as the server sent it, as a curve. */
export function toCurve({ step, mean, lowest, highest, seconds }: Series): Curve {
  return {
    step,
    mean: numbers(mean),
    lowest: numbers(lowest),
    highest: numbers(highest),
    seconds: numbers(seconds),
  };
}

/** Appends the points after the curve's last step; above `limit` points, joins them in `limit / 2` buckets of equal width. */
export function extendCurve(curve: Curve | undefined, series: Series, limit: number = POINT_LIMIT): Curve {
  const more = toCurve(series);
  const last = curve?.step.at(-1) ?? -1;
  const first = more.step.findIndex((step) => step > last);
  if (curve === undefined) return thin(more, limit);
  if (first < 0) return curve;
  const join = (key: keyof Curve) => [...curve[key], ...more[key].slice(first)];
  const joined = {
    step: join("step"),
    mean: join("mean"),
    lowest: join("lowest"),
    highest: join("highest"),
    seconds: join("seconds"),
  };
  return thin(joined, limit);
}

function thin(curve: Curve, limit: number): Curve {
  const { step } = curve;
  if (step.length <= limit) return curve;
  const width = Math.ceil((step[step.length - 1] - step[0] + 1) / (limit / 2));
  const buckets = [...Map.groupBy(step.keys(), (i) => Math.floor((step[i] - step[0]) / width)).values()];
  const fold = (values: readonly number[], merge: (a: number, b: number) => number) =>
    buckets.map((bucket) => {
      const known = bucket.map((i) => values[i]).filter((value) => !Number.isNaN(value));
      return known.length === 0 ? NaN : known.reduce((a, b) => merge(a, b));
    });
  const size = buckets.map((bucket) => bucket.filter((i) => !Number.isNaN(curve.mean[i])).length);
  return {
    step: buckets.map((bucket) => step[bucket[bucket.length - 1]]),
    mean: fold(curve.mean, (a, b) => a + b).map((sum, i) => sum / size[i]),
    lowest: fold(curve.lowest, Math.min),
    highest: fold(curve.highest, Math.max),
    seconds: fold(curve.seconds, (_, b) => b),
  };
}

/** Exponential moving average without the bias of its start: `weight` of the old value, from 0 (none) to below 1; NaN stays NaN. */
export function smooth(values: readonly number[], weight: number): readonly number[] {
  if (weight === 0) return values;
  let average = 0, share = 0;
  return values.map((value) => {
    if (Number.isNaN(value)) return NaN;
    average = weight * average + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return average / share;
  });
}

/** How a curve is drawn: `x = axis`, smoothed, each value mapped; on a logarithmic axis, what is not positive is left out. */
export function drawCurve(curve: Curve, options: {
  readonly axis: AxisKind;
  readonly stepsPerEpoch: number;
  readonly smoothing: number;
  readonly log: boolean;
  readonly map?: (value: number) => number;
}): DrawnCurve {
  const { axis, stepsPerEpoch, smoothing, log, map = (value) => value } = options;
  const all = axis === "time"
    ? curve.seconds
    : curve.step.map((step) => axis === "epoch" ? (step + 1) / stepsPerEpoch : step + 1);
  let last = -Infinity;
  const kept = [...all.keys()].filter((i) => all[i] > last && ((last = all[i]), true));
  const column = (values: readonly number[]) =>
    kept.map((i) => {
      const value = map(values[i]);
      return Number.isFinite(value) && (!log || value > 0) ? value : null;
    });
  const low = column(curve.lowest), high = column(curve.highest);
  return {
    x: kept.map((i) => all[i]),
    y: column(smooth(curve.mean, smoothing)),
    lowest: low.map((value, i) => value === null || high[i] === null ? null : Math.min(value, high[i])),
    highest: high.map((value, i) => value === null || low[i] === null ? null : Math.max(value, low[i])),
  };
}

/** Stored steps of the curve that lie between two places of the axis, for a request of finer data; null when there are none. */
export function stepsBetween(
  curve: Curve,
  axis: AxisKind,
  stepsPerEpoch: number,
  [from, to]: readonly [number, number],
): readonly [number, number] | null {
  if (axis !== "time") {
    const scale = axis === "epoch" ? stepsPerEpoch : 1;
    return [Math.max(0, Math.floor(from * scale) - 1), Math.max(0, Math.ceil(to * scale) - 1)];
  }
  const inside = curve.step.filter((_, i) => curve.seconds[i] >= from && curve.seconds[i] <= to);
  return inside.length === 0 ? null : [inside[0], inside[inside.length - 1]];
}
