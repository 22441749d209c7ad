import type { DashboardContext } from "./context.ts";

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
