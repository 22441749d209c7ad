import type { Series, SeriesResponse } from "../api.ts";
import { type Curve, extendCurve, toCurve } from "./curve.ts";
import { useEffect, useRef, useState } from "./deps.ts";
import { useLive } from "./live.ts";
import { requestJson } from "./request_json.ts";

/** Curves by run and metric. */
export type RunCurves = Readonly<Record<string, Readonly<Record<string, Curve>>>>;

/** Points asked for per metric: more than a chart has pixels on most screens. */
const POINTS = 1200;

/** Pause between two drawings: all charts take some 50 ms, and the news of many runs come one after another. */
const DRAW_EVERY_MS = 400;

/** Address of some metrics of a run, `kind` "series" for pages or "series.csv" for people. */
export function seriesAddress(kind: "series" | "series.csv", run: string, names: readonly string[]): string {
  return `/api/${kind}?run=${encodeURIComponent(run)}${
    names.map((name) => `&name=${encodeURIComponent(name)}`).join("")
  }`;
}

async function fetchSeries(run: string, names: readonly string[], between = ""): Promise<readonly Series[]> {
  const address = `${seriesAddress("series", run, names)}&points=${POINTS}${between}`;
  return (await requestJson<SeriesResponse>(address)).series.filter(({ step }) => step.length > 0);
}

/** Metrics of runs as they are stored and as they grow; `error` says why they cannot be shown. */
export function useCurves(
  runs: readonly string[],
  names: readonly string[],
): { readonly curves: RunCurves; readonly error: string | null } {
  const [curves, setCurves] = useState<RunCurves>({}), [error, setError] = useState<string | null>(null);
  /** What arrives while a run's stored metrics are on their way, and what is to be drawn next. */
  const waiting = useRef(new Map<string, Series[]>());
  const news = useRef<(readonly [string, readonly Series[]])[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined), drawn = useRef(-DRAW_EVERY_MS);
  useEffect(() => () => clearTimeout(timer.current), []);
  const extend = (all: RunCurves, run: string, series: readonly Series[]) => {
    const known = { ...all[run] };
    for (const item of series) {
      if (names.includes(item.name) && item.step.length > 0) {
        known[item.name] = extendCurve(known[item.name], item);
      }
    }
    return { ...all, [run]: known };
  };
  const draw = () => {
    const found = news.current.splice(0);
    drawn.current = performance.now();
    timer.current = undefined;
    setCurves((old) => found.reduce((all, [run, series]) => extend(all, run, series), old));
  };
  const load = async (run: string) => {
    const queue: Series[] = [];
    waiting.current.set(run, queue);
    news.current = news.current.filter(([other]) => other !== run);
    try {
      const series = await fetchSeries(run, names);
      if (waiting.current.get(run) !== queue) return;
      setCurves((old) => extend({ ...old, [run]: {} }, run, [...series, ...queue]));
      setError(null);
    } catch (cause) {
      setError((cause as Error).message);
    }
    if (waiting.current.get(run) === queue) waiting.current.delete(run);
  };
  useLive(runs, (message) => {
    if (message.type === "hello") { for (const run of runs) load(run); }
    else if (message.type === "reset") load(message.run);
    else if (message.type === "series") {
      const queue = waiting.current.get(message.run);
      if (queue) return void queue.push(...message.series);
      news.current.push([message.run, message.series]);
      timer.current ??= setTimeout(draw, Math.max(0, drawn.current + DRAW_EVERY_MS - performance.now()));
    }
  });
  return { curves, error };
}

/** The same metrics between two steps, both included, in finer points; null without a range, and until they are there. */
export function useZoomedCurves(
  ranges: Readonly<Record<string, readonly [number, number]>> | null,
  names: readonly string[],
): RunCurves | null {
  const [found, setFound] = useState<{ readonly key: string; readonly curves: RunCurves } | null>(null);
  const key = JSON.stringify(ranges);
  useEffect(() => {
    if (ranges === null) return;
    let current = true;
    const one = async ([run, [from, to]]: [string, readonly [number, number]]) => {
      const series = await fetchSeries(run, names, `&from=${from}&to=${to}`);
      return [run, Object.fromEntries(series.map((item) => [item.name, toCurve(item)]))];
    };
    Promise.all(Object.entries(ranges).map(one)).then(
      (all) => current && setFound({ key, curves: Object.fromEntries(all) }),
      () => {}, // the coarse curves stay
    );
    return () => {
      current = false;
    };
  }, [key]);
  return ranges !== null && found?.key === key ? found.curves : null;
}
