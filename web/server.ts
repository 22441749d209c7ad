import { createDashboard, type DashboardOptions } from "./dashboard.ts";

/** Where a dashboard listens. */
export interface ServeOptions extends DashboardOptions {
  readonly hostname: string;
  readonly port: number;
  /** How many further ports are tried when the port is taken. */
  readonly furtherPorts: number;
  /** Ends the dashboard. */
  readonly signal: AbortSignal;
  /** Called once it listens, with its address. */
  readonly onListen: (address: { readonly hostname: string; readonly port: number }) => void;
}

/**
 * Serves a dashboard until the signal.
 *
 * @throws {Deno.errors.AddrInUse} when every port is taken
 * @throws {Deno.errors.AddrNotAvailable} when the address is not one of this machine
 */
export async function serveDashboard(options: ServeOptions): Promise<void> {
  const dashboard = await createDashboard(options);
  try {
    const server = listen(options, dashboard.fetch);
    options.signal.addEventListener("abort", () => dashboard.close(), { once: true });
    await server.finished;
  } finally {
    await dashboard.close();
  }
}

function listen(
  { hostname, port, furtherPorts, onListen, signal }: ServeOptions,
  handler: Deno.ServeHandler<Deno.NetAddr>,
): Deno.HttpServer<Deno.NetAddr> {
  for (let further = 0;; further++) {
    try {
      return Deno.serve(
        { hostname, port: port + further, onListen, signal, automaticCompression: true },
        handler,
      );
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || further >= furtherPorts || port === 0) throw error;
    }
  }
}
