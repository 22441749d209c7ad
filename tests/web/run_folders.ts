import { makeFolder } from "../../data/atomic.ts";
import type { TrainEvent } from "../../train/events.ts";
import { RunLog } from "../../train/run_log.ts";
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
