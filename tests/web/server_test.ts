import assert from "node:assert/strict";
import { temporaryFolder } from "../support/spawn.ts";
import { createDashboard, type Dashboard } from "../../web/dashboard.ts";
import { resolveInside, resolveRun } from "../../web/resolve_inside.ts";
import { HttpError } from "../../web/route.ts";
import { newToken, RateLimit } from "../../web/security.ts";
import { serveDashboard } from "../../web/server.ts";
import { withDashboard, withFolder, writeRun } from "./run_folders.ts";

const origin = "http://127.0.0.1:8765";

Deno.test("a dashboard sends its headers with every answer", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/first`);
    await withDashboard(root, async (ask) => {
      const seen: number[] = [];
      for (
        const path of [
          "/",
          "/run/first",
          "/run/none",
          "/api/runs",
          "/api/run",
          "/assets/style.css",
          "/x",
          "/%00",
        ]
      ) {
        const response = await ask(path);
        await response.body?.cancel();
        seen.push(response.status);
        const policy = response.headers.get("content-security-policy")!;
        assert.ok(policy.startsWith("default-src 'none'; script-src 'self';"), path);
        assert.ok(!policy.includes("unsafe") && policy.includes("frame-ancestors 'none'"), path);
        assert.equal(response.headers.get("x-content-type-options"), "nosniff");
        assert.equal(response.headers.get("referrer-policy"), "same-origin");
        assert.ok(response.headers.has("cache-control"), path);
      }
      assert.deepEqual(seen, [200, 200, 404, 200, 400, 200, 404, 404]);
    });
  }));

Deno.test("a page has no inline script or style, and asks nobody else", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/<b onclick=alert(1)>'"`);
    await withDashboard(root, async (ask) => {
      for (
        const path of ["/", `/run/${encodeURIComponent("<b onclick=alert(1)>'\"")}`, "/compare?run=<script>"]
      ) {
        const html = await (await ask(path)).text();
        assert.ok(html.startsWith("<!doctype html>"), path);
        const inert = html.replaceAll(/="[^"]*"/g, (value) => value.includes("<") ? "=" : value); // "<" is no tag in an attribute
        assert.doesNotMatch(inert, /<script(?![^>]* src="\/assets\/)/, path);
        assert.doesNotMatch(inert, /<style|<b |\son[a-z]+="|\sstyle="/, path);
        assert.doesNotMatch(inert, /(src|href)="(https?:)?\/\//, path);
      }
    });
  }));

Deno.test("HEAD answers as GET does, without a body", () =>
  withFolder((root) =>
    withDashboard(root, async (ask) => {
      for (const path of ["/", "/api/runs", "/api/live", "/none"]) {
        const [head, get] = [await ask(path, { method: "HEAD" }), await ask(path)];
        await get.body?.cancel();
        assert.equal(head.body, null, path);
        assert.equal(head.status, get.status, path);
        assert.equal(head.headers.get("content-type"), get.headers.get("content-type"), path);
      }
    })
  ));

Deno.test("without a token a dashboard answers under the names of this machine only", () =>
  withFolder((root) =>
    withDashboard(root, async (_, dashboard) => {
      const status = async (host: string) =>
        (await dashboard.fetch(new Request(`${origin}/api/runs`, { headers: { host } }))).status;
      for (
        const host of [
          "localhost",
          "localhost:8765",
          "127.0.0.1:1",
          "127.0.0.2:8765",
          "[::1]:8765",
          "LOCALHOST:9",
        ]
      ) {
        assert.equal(await status(host), 200, host);
      }
      for (
        const host of [
          "example.org",
          "localhost.example.org",
          "127.0.0.1.example.org:8765",
          "localhost@x",
          "[::2]",
        ]
      ) {
        assert.equal(await status(host), 403, host);
      }
    })
  ));

async function withToken(body: (dashboard: Dashboard, token: string) => Promise<void>): Promise<void> {
  await withFolder(async (root) => {
    const token = newToken();
    const dashboard = await createDashboard({ roots: [root], token, allowControl: true, version: "1" });
    try {
      await body(dashboard, token);
    } finally {
      await dashboard.close();
    }
  });
}

Deno.test("a token opens a dashboard: first in the address, then as a cookie", () =>
  withToken(async (dashboard, token) => {
    const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
      dashboard.fetch(new Request(`http://node7:8765${path}`, { headers, method }));
    assert.match(token, /^[\w-]{32}$/);
    for (
      const wrong of ["", "?token=", `?token=${token}x`, `?token=${token.slice(1)}`, `?token=${newToken()}`]
    ) {
      for (const path of ["/", "/api/runs", "/run/first", "/none", "/api/live"]) {
        const response = await ask(path + wrong);
        assert.equal(response.status, 401, path + wrong);
        assert.equal(response.headers.get("set-cookie"), null);
        assert.ok(!(await response.text()).includes(token));
      }
    }
    assert.equal((await ask(`/?token=${token}`, {}, "HEAD")).status, 401, "a look ahead is no use");
    const opened = await ask(`/compare?run=a&token=${token}&run=b`);
    assert.equal(opened.status, 303);
    assert.equal(opened.headers.get("location"), "/compare?run=a&run=b");
    const [pair, ...attributes] = opened.headers.get("set-cookie")!.split("; ");
    assert.deepEqual(attributes.sort(), ["HttpOnly", "Path=/", "SameSite=Strict"]);
    assert.equal((await ask("/api/runs", { cookie: `a=b; ${pair}; c=d` })).status, 200);
    for (
      const cookie of [pair.slice(0, -1), `${pair}x`, pair.replace(/=.*/, "="), `x${pair}`, "theme=dark"]
    ) {
      assert.equal((await ask("/api/runs", { cookie })).status, 401, cookie);
    }
    const elsewhere = await ask(`//example.org/?token=${token}`);
    assert.match(elsewhere.headers.get("location")!, /^\/(?!\/)/, "the way leads back here");
    assert.equal((await ask("/assets/style.css")).status, 200, "the login page has its style");
  }));

Deno.test("what changes something is a POST of JSON from a page of the dashboard", () =>
  withFolder(async (root) => {
    await writeRun(`${root}/first`);
    await withDashboard(root, async (_, dashboard) => {
      const headers = { "content-type": "application/json", origin, host: "127.0.0.1:8765" };
      const note = JSON.stringify({ run: "first", action: "note", text: "from a test" });
      const send = async (changes: Record<string, string | null>, body: BodyInit = note, method = "POST") => {
        const all = Object.entries({ ...headers, ...changes }).filter((entry) => entry[1] !== null) as [
          string,
          string,
        ][];
        return (await dashboard.fetch(new Request(`${origin}/api/control`, { method, body, headers: all })))
          .status;
      };
      assert.equal(await send({}), 200);
      assert.equal(await send({ "content-type": "application/json; charset=utf-8" }), 200);
      for (
        const other of ["http://example.org", "null", "http://127.0.0.1:8766", "127.0.0.1:8765", "", null]
      ) {
        assert.equal(await send({ origin: other }), 403, `origin ${other}`);
      }
      assert.equal(await send({ "sec-fetch-site": "cross-site" }), 403);
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", null]) {
        assert.equal(await send({ "content-type": type }), 415, `type ${type}`);
      }
      for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
        assert.equal(await send({}, note, method), 405, method);
      }
      assert.equal(await send({}, "{"), 400);
      assert.equal(await send({}, "null"), 400);
      assert.equal(
        await send({}, JSON.stringify({ run: "first", action: "note", text: "x".repeat(16384) })),
        413,
      );
      const endless = ReadableStream.from((function* () {
        while (true) yield new TextEncoder().encode("[".repeat(1000));
      })());
      assert.equal(await send({}, endless), 413, "a body without a length is cut off, too");
    }, { allowControl: true });
    assert.equal((await Deno.readTextFile(`${root}/first/notes.jsonl`)).trim().split("\n").length, 2);
  }));

Deno.test("addresses of more than 4 KiB are refused", () =>
  withFolder((root) =>
    withDashboard(root, async (ask) => {
      assert.equal((await ask(`/api/runs?x=${"a".repeat(4000)}`)).status, 200);
      assert.equal((await ask(`/api/runs?x=${"a".repeat(4100)}`)).status, 414);
    })
  ));

Deno.test("RateLimit lets a burst through, then what its rate allows, for each address by itself", () => {
  const limit = new RateLimit(10, 2);
  const passes = (address: string, now: number) => {
    try {
      limit.count(address, now);
      return true;
    } catch (error) {
      assert.ok(error instanceof HttpError && error.status === 429 && error.headers["retry-after"] === "1");
      return false;
    }
  };
  const count = (address: string, now: number) =>
    Array.from({ length: 30 }, () => passes(address, now)).filter(Boolean).length;
  assert.equal(count("a", 0), 10);
  assert.equal(count("b", 0), 10);
  assert.equal(count("a", 1000), 2);
  assert.equal(count("a", 60_000), 10, "never more than a burst");
  for (let i = 0; i < 10_000; i++) limit.count(`address ${i}`, 60_000);
  assert.equal(count("a", 60_000), 10, "what is long unseen is forgotten: memory is bounded");
});

Deno.test("a dashboard bounds the requests of an address", () =>
  withFolder((root) =>
    withDashboard(root, async (_, dashboard) => {
      const info = { remoteAddr: { transport: "tcp", hostname: "10.0.0.7", port: 1 } } as const;
      const statuses = new Map<number, number>();
      for (let i = 0; i < 2500; i++) {
        const { status } = await dashboard.fetch(new Request(`${origin}/assets/none.js`), info);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
      assert.ok(statuses.get(404)! >= 2000 && statuses.get(429)! > 0, JSON.stringify([...statuses]));
    })
  ));

Deno.test("resolveInside() finds what lies inside and nothing else", () =>
  withFolder(async (folder) => {
    const root = `${folder}/root`;
    await Deno.mkdir(`${root}/a/b`, { recursive: true });
    await Deno.writeTextFile(`${root}/a/file`, "1");
    await Deno.mkdir(`${folder}/root_of_others`);
    await Deno.writeTextFile(`${folder}/root_of_others/secret`, "2");
    await Deno.symlink("../root_of_others", `${root}/out`);
    await Deno.symlink(`${root}/a/file`, `${root}/inside`);
    await Deno.symlink("/etc/passwd", `${root}/a/passwd`);
    await Deno.symlink("loop", `${root}/loop`);
    assert.equal(await resolveInside(root, "a/file"), `${root}/a/file`);
    assert.equal(await resolveInside(root, "inside"), `${root}/a/file`);
    assert.equal(await resolveInside(root, ""), root);
    const refused = [
      "out",
      "out/secret",
      "a/passwd",
      "loop",
      "..",
      "../root_of_others/secret",
      "a/../a/file",
      "./a/file",
      "/a/file",
    ];
    refused.push(
      "a//file",
      "a/file/",
      "a\\file",
      "a/file\0",
      "a/none",
      "a/file/x",
      "x".repeat(5000),
      `${root}/a/file`,
    );
    for (const name of refused) assert.equal(await resolveInside(root, name), null, name);
    assert.equal(await resolveRun([root, folder], "a/b"), `${root}/a/b`);
    assert.equal(await resolveRun([root, folder], "~1/root/a"), `${root}/a`);
    assert.equal(await resolveRun([root, folder], "~1"), folder);
    assert.equal(await resolveRun([root, folder], "~0"), root);
    for (const id of ["", "~2", "~1/", "~", "~1/..", "~0/../root_of_others"]) {
      assert.equal(await resolveRun([root, folder], id), null, id);
    }
  }));

Deno.test("scripts and styles are small, compressed, and kept by browsers", () =>
  withFolder((root) =>
    withDashboard(root, async (ask) => {
      const html = await (await ask("/")).text();
      const [address] = html.match(/\/assets\/client\.js\?v=[0-9a-f]+/)!;
      const plain = await ask(address);
      assert.match(plain.headers.get("cache-control")!, /immutable/);
      assert.equal(plain.headers.get("content-type"), "text/javascript; charset=utf-8");
      const text = await plain.text();
      const gzip = await ask(address, { headers: { "accept-encoding": "br, gzip" } });
      assert.equal(gzip.headers.get("content-encoding"), "gzip");
      const bytes = await gzip.bytes();
      const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      assert.equal(await new Response(unpacked).text(), text);
      console.log(`scripts of the pages: ${bytes.length} bytes compressed`);
      assert.ok(bytes.length < 60_000);
      const etag = plain.headers.get("etag")!;
      const again = await ask("/assets/client.js", { headers: { "if-none-match": etag } });
      assert.equal(again.status, 304);
      assert.equal(await again.text(), "");
      const other = await ask("/assets/client.js?v=0", { headers: { "if-none-match": '"0"' } });
      assert.equal(other.status, 200);
      assert.equal(other.headers.get("cache-control"), "no-cache");
      await other.body?.cancel();
      for (
        const name of [
          "none.js",
          "client",
          "client.css",
          "style.js",
          "constructor.js",
          "__proto__.js",
          "..%2Fdeps.ts",
        ]
      ) {
        assert.equal((await ask(`/assets/${name}`)).status, 404, name);
      }
    })
  ));

Deno.test("serveDashboard() takes the next free port, and ends at once although somebody watches", async () => {
  using folder = temporaryFolder();
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const options = {
    roots: [folder.path],
    token: null,
    allowControl: false,
    version: "1",
    hostname: "127.0.0.1",
  };
  const { port } = taken.addr as Deno.NetAddr;
  const ended = new AbortController();
  const listens = Promise.withResolvers<number>();
  const serve = (furtherPorts: number) =>
    serveDashboard({
      ...{ ...options, port, furtherPorts, signal: ended.signal },
      onListen: (address) => listens.resolve(address.port),
    });
  await assert.rejects(serve(0), Deno.errors.AddrInUse);
  const server = serve(50);
  const found = await listens.promise;
  assert.ok(found > port);
  const live = await fetch(`http://127.0.0.1:${found}/api/live`);
  const reader = live.body!.getReader();
  await reader.read();
  ended.abort();
  await server;
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
    await fetch(`http://127.0.0.1:${found}/`);
  });
  taken.close();
});
