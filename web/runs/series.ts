import type { RunLog } from "../../train/run_log.ts";
import type { Series, SeriesResponse } from "../api.ts";
import type { RunStore } from "./run_store.ts";
import { TrainingClock } from "./training_clock.ts";

/** Which curves to read: names of metrics, points each, and steps from and to, both included. */
export interface SeriesQuery {
  readonly names: readonly string[];
  readonly points: number;
  readonly from?: number;
  readonly to?: number;
}

/** One metric of a log as columns, down-sampled; values with seven digits, as many as f32 has. */
export function readSeries(
  log: RunLog,
  name: string,
  { points, from, to }: Omit<SeriesQuery, "names">,
  clock: TrainingClock,
): Series {
  const curve = log.curve(name, points, { from, to });
  const finite = (value: number) => Number.isFinite(value) ? Number(value.toPrecision(7)) : null;
  return {
    name,
    step: curve.map(({ step }) => step),
    mean: curve.map(({ mean }) => finite(mean)),
    lowest: curve.map(({ lowest }) => finite(lowest)),
    highest: curve.map(({ highest }) => finite(highest)),
    seconds: curve.map(({ step }) => clock.at(step)),
  };
}

/** Curves of a run. @throws {HttpError} when the run is not there or its log damaged */
export async function runSeries(store: RunStore, run: string, query: SeriesQuery): Promise<SeriesResponse> {
  const series = await store.read(run, (log) => {
    const clock = TrainingClock.of(log, 2000);
    return query.names.map((name) => readSeries(log, name, query, clock));
  });
  return { run, series: series ?? [] };
}

/** Steps that are read at a time. */
const CSV_STEPS = 1000;

/**
 * Every stored value of some metrics of some runs as CSV text, in pieces: a row a step, a column a run and metric, empty where there is
 * none. @throws {HttpError} when a run is not there or its log damaged
 */
export async function* seriesCsv(
  store: RunStore,
  runs: readonly string[],
  names: readonly string[],
): AsyncGenerator<string> {
  const columns = runs.flatMap((run) => names.map((name) => ({ run, name })));
  const quote = (text: string) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  yield ["step", ...columns.map(({ run, name }) => quote(runs.length > 1 ? `${run} ${name}` : name))].join() +
    "\r\n";
  let last = -1;
  for (const run of runs) {
    last = Math.max(
      last,
      await store.read(run, (log) => Math.max(...names.map((n) => log.lastSteps().get(n) ?? -1))) ?? -1,
    );
  }
  for (let from = 0; from <= last; from += CSV_STEPS) {
    const rows = new Map<number, string[]>();
    for (const [index, { run, name }] of columns.entries()) {
      const curve = await store.read(
        run,
        (log) => log.curve(name, CSV_STEPS, { from, to: from + CSV_STEPS - 1 }),
      );
      for (const { step, mean } of curve ?? []) {
        const row = rows.get(step) ?? columns.map(() => "");
        row[index] = String(mean);
        rows.set(step, row);
      }
    }
    const steps = [...rows.keys()].sort((a, b) => a - b);
    yield steps.map((step) => `${step},${rows.get(step)!.join()}\r\n`).join("");
  }
}
