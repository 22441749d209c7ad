import { repositoryRoot, spawn } from "./spawn.ts";

/** Serves the checkout as a plain file host would. */
export function serveCheckout(): {
  readonly server: Deno.HttpServer;
  /** Paths that were asked for. */
  readonly requested: readonly string[];
  readonly origin: string;
} {
  const requested: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    requested.push(path);
    const body = await Deno.readFile(`${repositoryRoot}${path}`).catch(() => null);
    if (body === null) return new Response("not found", { status: 404 });
    const type = path.endsWith(".ts")
      ? "application/typescript"
      : path.endsWith(".json")
      ? "application/json"
      : "text/plain";
    return new Response(body, { headers: { "content-type": type } });
  });
  return { server, requested, origin: `http://127.0.0.1:${server.addr.port}` };
}

/** A Deno cache that shares the npm packages of this one, so that neither the test nor the cache leaves a trace. */
export async function freshCache(path: string): Promise<string> {
  const info = await spawn(Deno.execPath(), ["info", "--json"], { cwd: path });
  const { npmCache } = JSON.parse(info.stdout) as { npmCache: string };
  await Deno.mkdir(`${path}/cache`);
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.symlink(npmCache, `${path}/cache/npm`);
  return `${path}/cache`;
}
