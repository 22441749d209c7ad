import assert from "node:assert/strict";
import { freshCache, serveCheckout } from "../support/served_checkout.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { writeRun } from "./run_folders.ts";
import { startProcess } from "./running_process.ts";

Deno.test({
  name:
    "the dashboard works by URL from a folder without configuration, and the second time without a network",
  sanitizeResources: false,
  async fn() {
    using folder = temporaryFolder();
    await writeRun(`${folder.path}/runs/first`, { metrics: { loss: [3, 2, 1] } });
    const { server, requested, origin } = serveCheckout();
    const cache = { DENO_DIR: await freshCache(folder.path), DENO_COVERAGE_DIR: "" };
    const look = async (env: Readonly<Record<string, string>>) => {
      await using dashboard = startProcess(
        [
          "run",
          "--quiet",
          "--allow-all",
          "--no-check",
          "--unstable-bundle",
          `${origin}/cli/main.ts`,
          "dashboard",
        ]
          .concat("runs", "--port", "0"),
        { cwd: folder.path, env },
      );
      const url = await dashboard.until(/http:\/\/127\.0\.0\.1:\d+\//);
      const ask = async (path: string) => {
        const response = await fetch(new URL(path, url));
        const text = await response.text();
        assert.equal(response.status, 200, `${path}\n${dashboard.output()}`);
        return text;
      };
      const html = await ask("/run/first");
      for (const [address] of html.matchAll(/\/assets\/[^"]+/g)) {
        assert.ok((await ask(address)).length > 1000, address);
      }
      assert.ok((await ask("/assets/viewer.js")).includes("multiplanar"));
      assert.equal(JSON.parse(await ask("/api/series?run=first&name=loss")).series[0].mean.length, 3);
    };
    await look(cache);
    assert.ok(requested.includes("/web/client.ts"), "the scripts are made of what the URL serves");
    await server.shutdown();
    const nowhere = "http://127.0.0.1:1";
    await look({ ...cache, HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere });
  },
});
