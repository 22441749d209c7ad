import assert from "node:assert/strict";
import { freshCache, serveCheckout } from "../support/served_checkout.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { startProcess } from "./running_process.ts";
import { writeRun } from "./run_folders.ts";

Deno.test("the dashboard works when the command line is run by URL from a folder without configuration", async () => {
  using folder = temporaryFolder();
  await writeRun(`${folder.path}/runs/first`, { metrics: { loss: [3, 2, 1] } });
  const { server, requested, origin } = serveCheckout();
  try {
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
      { cwd: folder.path, env: { DENO_DIR: await freshCache(folder.path) } },
    );
    const url = await dashboard.until(/http:\/\/127\.0\.0\.1:\d+\//);
    const ask = async (path: string) => {
      const response = await fetch(new URL(path, url));
      assert.equal(response.status, 200, path);
      return await response.text();
    };
    const html = await ask("/run/first");
    for (const [address] of html.matchAll(/\/assets\/[^"]+/g)) {
      assert.ok((await ask(address)).length > 1000, address);
    }
    assert.ok((await ask("/assets/viewer.js")).includes("multiplanar"));
    assert.equal(JSON.parse(await ask("/api/series?run=first&name=loss")).series[0].mean.length, 3);
    assert.ok(requested.includes("/web/client.ts"), "the scripts are made of what the URL serves");
  } finally {
    await server.shutdown();
  }
});
