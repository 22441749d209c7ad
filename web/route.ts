import type { DashboardContext } from "./context.ts";
import type { VNode } from "./islands/deps.ts";

/** What a route knows about the request it answers. */
export interface RouteContext {
  readonly request: Request;
  readonly url: URL;
  /** Named parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The JSON of a POST, at most 16 KiB; null of a GET. */
  readonly body: unknown;
  readonly dashboard: DashboardContext;
}

/** A page for people; the layout with its navigation is put around it. */
export interface View {
  /** Heading of the browser's tab, without the name of the program. */
  readonly title: string;
  readonly body: VNode;
  /** HTTP status, 200 when left out. */
  readonly status?: number;
  /** The run whose tabs are shown above the page, and the tab that is open. */
  readonly run?: { readonly id: string; readonly tab: "run" | "pictures" | "volume" };
}

/** One address and what answers it: a page or any other response. */
export interface Route {
  readonly method: "GET" | "POST";
  /** Path with named parts, such as `/run/:id`. */
  readonly path: string;
  readonly handle: (context: RouteContext) => View | Response | Promise<View | Response>;
}

/** A request that cannot be answered; shown as a page, or as `{error}` below /api/. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  /**
   * @param status from 400 to 499
   * @param message what was attempted, found and wanted, and what to do
   */
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}
