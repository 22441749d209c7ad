import { InvalidArgumentError } from "./deps.ts";

/** Where a dashboard listens unless somebody says otherwise. */
export const dashboardDefaults = { host: "127.0.0.1", port: 8765 } as const;

/** Host and port of a dashboard. */
export interface DashboardAddress {
  readonly host: string;
  readonly port: number;
}

/** Parser of a port; 0 lets the system choose. */
export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65535) {
    throw new InvalidArgumentError("Expected a port from 0 to 65535.");
  }
  return port;
}

/** Parser of `HOST:PORT`, `:PORT` or `PORT`; an IPv6 address stands in brackets. */
export function dashboardAddress(text: string): DashboardAddress {
  const [, bracketed, plain, port] = /^(?:(?:\[([\da-fA-F:]+)\]|([^\s:[\]]*)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) {
    throw new InvalidArgumentError(
      "Expected HOST:PORT, :PORT or PORT; without an address, put the option last.",
    );
  }
  return { host: bracketed || plain || dashboardDefaults.host, port: portNumber(port) };
}

/** Whether only this machine reaches a host, so that no token is needed. */
export function isLocalHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Addresses under which a dashboard can be opened, the nearest first.
 *
 * @param machine name of this machine, for a dashboard that listens everywhere
 */
export function dashboardUrls(address: DashboardAddress, machine: string, token: string | null): string[] {
  const everywhere = address.host === "0.0.0.0" || address.host === "::";
  const query = token === null ? "" : `?token=${token}`;
  return (everywhere ? ["localhost", machine] : [address.host])
    .map((host) => `http://${host.includes(":") ? `[${host}]` : host}:${address.port}/${query}`);
}
