import { assetResponse } from "./assets.ts";
import type { DashboardContext } from "./context.ts";
import { Hono } from "./deps.ts";
import { routes } from "./manifest.ts";
import { renderView } from "./render_view.tsx";
import { HttpError, type View } from "./route.ts";
import { loginView } from "./routes/login.tsx";
import { messageView } from "./routes/message.tsx";
import { LiveHub } from "./runs/live_hub.ts";
import { RunStore } from "./runs/run_store.ts";
import { checkRequest, Gate, RateLimit, readBody, safeHeaders } from "./security.ts";

/** What a dashboard is made of. */
export interface DashboardOptions {
  /** Folders that are shown; the first is the main one. */
  readonly roots: readonly string[];
  /** Secret that opens the dashboard, null when everybody who reaches it may look. */
  readonly token: string | null;
  /** Whether runs may be stopped, asked for a checkpoint, and annotated. */
  readonly allowControl: boolean;
  /** Version of Spark3D. */
  readonly version: string;
}

/** A dashboard without a socket. */
export interface Dashboard {
  /** Answers one request; never throws. @param info address of the client, where it is known */
  fetch(request: Request, info?: { readonly remoteAddr: Deno.Addr }): Promise<Response>;
  /** Ends every live stream and closes what was opened. */
  close(): Promise<void>;
  readonly context: DashboardContext;
}

/**
 * Makes a dashboard.
 *
 * @throws {Deno.errors.NotFound} when a root does not exist
 */
export async function createDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { token, allowControl, version } = options;
  const roots = await Promise.all(options.roots.map((root) => Deno.realPath(root)));
  const runs = new RunStore(roots);
  const context: DashboardContext = { roots, allowControl, version, runs, live: new LiveHub(runs) };
  const gate = new Gate(token);
  const limit = new RateLimit();
  const app = router(context);

  const fetch: Dashboard["fetch"] = async (request, info) => {
    const url = URL.parse(request.url); // the Host that a client sends may be anything
    if (url === null) return safe(new Response("Found an address that is none", { status: 400 }));
    try {
      checkRequest(request, url, token === null);
      if (info?.remoteAddr.transport === "tcp") limit.count(info.remoteAddr.hostname, performance.now());
      const open = gate.enter(request, url);
      if (open !== null) return open;
      if (!url.pathname.startsWith("/assets/") && !gate.opens(request)) {
        if (!isApi(url)) return safe(await page(loginView(url.searchParams.has("token")), request, version));
        throw new HttpError(
          401,
          "This dashboard needs its token: open the address that was printed when it was started",
        );
      }
      const response = await app.fetch(request, {});
      if (request.method !== "HEAD") return safe(response);
      await response.body?.cancel();
      return safe(new Response(null, response));
    } catch (error) {
      return await refusal(error, request, url, version);
    }
  };
  const close = () => {
    context.live.close();
    runs.close();
    return Promise.resolve();
  };
  return { fetch, context, close };
}

const isApi = (url: URL): boolean => url.pathname.startsWith("/api/");

function router(dashboard: DashboardContext): Hono {
  const app = new Hono();
  app.get("/assets/:name", async (c) => {
    const found = await assetResponse(c.req.param("name"), c.req.raw);
    if (found === null) throw new HttpError(404, "There is no such file");
    return found;
  });
  for (const route of routes) {
    app.on(route.method, route.path, async (c) => {
      const request = c.req.raw;
      const body = request.method === "POST" ? await readBody(request) : null;
      const found = await route.handle({
        request,
        url: new URL(request.url),
        params: c.req.param(),
        body,
        dashboard,
      });
      return found instanceof Response ? found : await page(found, request, dashboard.version);
    });
  }
  app.notFound(() => {
    throw new HttpError(404, "There is nothing under this address");
  });
  app.onError((error) => {
    throw error;
  });
  return app;
}

async function page(view: View, request: Request, version: string): Promise<Response> {
  return await renderView(view, { version, cookies: request.headers.get("cookie") });
}

/** Adds the headers of every answer; what a route has set itself stays. */
function safe(response: Response): Response {
  for (const [name, value] of Object.entries(safeHeaders)) {
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  return response;
}

/** An error as a page, or as `{error}` for programs. */
async function refusal(error: unknown, request: Request, url: URL, version: string): Promise<Response> {
  if (!(error instanceof HttpError)) console.error(`dashboard: ${request.method} ${url.pathname}:`, error);
  const [status, message] = error instanceof HttpError
    ? [error.status, error.message]
    : [500, "Something in the dashboard failed: its terminal says what"];
  const response = isApi(url) || request.method === "POST"
    ? Response.json({ error: message }, { status })
    : await page(messageView(status, message), request, version).catch(() =>
      new Response(message, { status })
    );
  const answer = safe(response);
  if (error instanceof HttpError) {
    for (const [name, value] of Object.entries(error.headers)) answer.headers.set(name, value);
  }
  return request.method === "HEAD" ? new Response(null, answer) : answer;
}
