import type { ControlRequest, EventsResponse } from "../api.ts";
import { HttpError, type Route, type RouteContext } from "../route.ts";
import { compareRuns } from "../runs/config_diff.ts";
import { controlRun } from "../runs/control_run.ts";
import { newestEvents, runDetail } from "../runs/run_detail.ts";
import { runSeries, seriesCsv } from "../runs/series.ts";
import { runVolumes, sliceIndex } from "../runs/stored_files.ts";

/** Runs and curves in one request, points of a curve. */
const MAX_RUNS = 16, MAX_NAMES = 64, MAX_POINTS = 10_000;

/** The dashboard's API, apart from stored files; `web/api.ts` has the form of every answer. */
export const apiRoutes: readonly Route[] = [
  get("/api/runs", ({ dashboard }) => dashboard.runs.list()),
  get(
    "/api/run",
    (context) => runDetail(context.dashboard.runs, run(context), context.dashboard.allowControl),
  ),
  get("/api/compare", (context) => compareRuns(context.dashboard.runs, list(context, "run", MAX_RUNS))),
  get("/api/slices", (context) => sliceIndex(context.dashboard.runs, run(context))),
  get("/api/volumes", (context) => runVolumes(context.dashboard.runs, run(context))),
  get("/api/series", (context) =>
    runSeries(context.dashboard.runs, run(context), {
      names: list(context, "name", MAX_NAMES),
      points: wholeNumber(context, "points", 1, MAX_POINTS) ?? 1500,
      from: wholeNumber(context, "from", 0),
      to: wholeNumber(context, "to", 0),
    })),
  get("/api/events", async (context): Promise<EventsResponse> => {
    const after = wholeNumber(context, "after", 0) ?? 0, id = run(context);
    return {
      run: id,
      events: await context.dashboard.runs.read(id, (log) => newestEvents(log, after)) ?? [],
    };
  }),
  { method: "GET", path: "/api/series.csv", handle: csv },
  {
    method: "GET",
    path: "/api/live",
    handle: async (context) => {
      const runs = context.url.searchParams.has("run") ? list(context, "run", MAX_RUNS) : [];
      return new Response(await context.dashboard.live.stream(runs), {
        headers: { "content-type": "text/event-stream", "cache-control": "no-store, no-transform" },
      });
    },
  },
  {
    method: "POST",
    path: "/api/control",
    handle: async ({ body, dashboard }) => {
      if (dashboard.allowControl) return Response.json(await controlRun(dashboard.runs, body));
      const action = String((body as Partial<ControlRequest> | null)?.action ?? "act");
      throw new HttpError(
        403,
        `Cannot ${action.slice(0, 20)}: this dashboard only watches: start it with --allow-control`,
      );
    },
  },
];

function get(path: string, answer: (context: RouteContext) => Promise<unknown>): Route {
  return { method: "GET", path, handle: async (context) => Response.json(await answer(context)) };
}

async function csv(context: RouteContext): Promise<Response> {
  const { runs } = context.dashboard,
    ids = list(context, "run", MAX_RUNS),
    names = list(context, "name", MAX_NAMES);
  for (const id of ids) await runs.read(id, () => null); // refused before the first byte
  const name = `${ids.length === 1 ? ids[0] : "runs"}_${names.length === 1 ? names[0] : "metrics"}`.replace(
    /[^\w.-]+/g,
    "_",
  );
  return new Response(ReadableStream.from(seriesCsv(runs, ids, names)).pipeThrough(new TextEncoderStream()), {
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": `attachment; filename="${name}.csv"`,
    },
  });
}

/** The run that a request asks about. @throws {HttpError} 400 without one */
export function run(context: RouteContext): string {
  return list(context, "run", 1)[0];
}

/** The values of a parameter, each once. @throws {HttpError} 400 when there is none, or more than `most` */
function list({ url }: RouteContext, name: string, most: number): string[] {
  const values = [...new Set(url.searchParams.getAll(name))];
  if (values.length >= 1 && values.length <= most) return values;
  throw new HttpError(400, `Found ${values.length} values of ${name} in the address, wanted 1 to ${most}`);
}

function wholeNumber(
  { url }: RouteContext,
  name: string,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  const text = url.searchParams.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new HttpError(
    400,
    `Found ${name}=${text.slice(0, 20)} in the address, wanted a whole number from ${least} to ${most}`,
  );
}
