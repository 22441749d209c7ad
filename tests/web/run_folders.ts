import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../../data/atomic.ts";
import type { TrainEvent } from "../../train/events.ts";
import { RunLog } from "../../train/run_log.ts";
import type { SeriesResponse } from "../../web/api.ts";
import { createDashboard, type Dashboard } from "../../web/dashboard.ts";

/** Runs a test in a folder of its own, given as a real path. */
export async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "spark3d_runs_" }));
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The event that opens a log. */
export const startedEvent = (step = 0, steps = 100): TrainEvent => ({
  type: "started",
  step,
  steps,
  epochs: 10,
  seed: 3,
  adapter: "Adapter",
  resumedFrom: step > 0 ? "latest" : null,
  peakFlopPerSecond: 2e12,
});

/** Writes a run folder with a record, and with a log of some events; metrics as name to values from step 0 on, NaN among them. */
export async function writeRun(
  folder: string,
  options: {
    readonly config?: object;
    readonly events?: readonly TrainEvent[];
    readonly metrics?: Readonly<Record<string, readonly number[]>>;
  } = {},
): Promise<void> {
  await makeFolder(folder);
  const { config = { seed: 3, epochs: 10, stepsPerEpoch: 10 }, events = [startedEvent()], metrics = {} } =
    options;
  await Deno.writeTextFile(
    `${folder}/run.json`,
    JSON.stringify({ format: "spark3d-run-1", config, store: "s" }),
  );
  using log = RunLog.open(`${folder}/run.sqlite`);
  for (const event of events) log.addEvent(event);
  log.addMetrics(
    Object.entries(metrics).flatMap(([name, values]) => values.map((value, step) => ({ step, name, value }))),
  );
}

/** Metrics of {@linkcode writeLongRun}, as a pre-training has them. */
export const longMetrics = [
  "clipScale",
  "dataWaitMs",
  "gradNorm",
  "loss",
  "lossScale",
  "lr",
  "maskRatio",
  "queueDepth",
  "seconds",
  "skipped",
];

/** Writes a run of so many steps with ten metrics each; a metric's value is its step. */
export async function writeLongRun(folder: string, steps: number): Promise<void> {
  await writeRun(folder, { events: [startedEvent(0, steps)] });
  using database = new DatabaseSync(`${folder}/run.sqlite`);
  database.prepare(
    "WITH RECURSIVE counted(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM counted WHERE i < ?1 - 1) " +
      "INSERT INTO metric(name, step, value) SELECT value, i, i FROM json_each(?2), counted",
  ).run(steps, JSON.stringify(longMetrics));
}

/**
 * Asks a fresh dashboard for all that the page of {@linkcode writeLongRun}'s run draws, and checks it.
 * @returns milliseconds
 */
export async function openLongRun(root: string, run: string, steps: number): Promise<number> {
  let ms = NaN;
  await withDashboard(root, async (ask) => {
    const asked = performance.now();
    await (await ask(`/api/run?run=${run}`)).json();
    const names = longMetrics.map((name) => `name=${name}`).join("&");
    const { series }: SeriesResponse = await (await ask(`/api/series?run=${run}&${names}`)).json();
    ms = performance.now() - asked;
    assert.deepEqual(series.map(({ name }) => name), longMetrics);
    const width = Math.ceil(steps / 1500);
    for (const { step, mean } of series) {
      assert.equal(step.length, Math.ceil(steps / width));
      assert.deepEqual([step.at(-1), mean[0]], [steps - 1, (width - 1) / 2]);
    }
  });
  return ms;
}

/** Asks a dashboard of one folder, without a socket. */
export async function withDashboard(
  root: string,
  body: (ask: (path: string, init?: RequestInit) => Promise<Response>, dashboard: Dashboard) => Promise<void>,
  options: { readonly allowControl?: boolean } = {},
): Promise<void> {
  const dashboard = await createDashboard({
    roots: [root],
    token: null,
    allowControl: false,
    version: "1",
    ...options,
  });
  const origin = "http://127.0.0.1:8765";
  try {
    await body((path, init) => dashboard.fetch(new Request(origin + path, init)), dashboard);
  } finally {
    await dashboard.close();
  }
}
