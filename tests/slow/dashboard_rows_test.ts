import assert from "node:assert/strict";
import { openLongRun, withDashboard, withFolder, writeLongRun } from "../web/run_folders.ts";

const STEPS = 100_000;

Deno.test("a run of 1,000,000 metric rows opens in under a second", () =>
  withFolder(async (root) => {
    await writeLongRun(`${root}/long`, STEPS);
    const times = [];
    while (times.length < 3) times.push(await openLongRun(root, "long", STEPS));
    console.log(`data of the page: ${times.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.ok(Math.min(...times) < 1000, `${times} ms`);
    await withDashboard(root, async (ask) => {
      await (await ask("/")).text(); // bundles scripts
      const asked = performance.now();
      assert.equal((await (await ask("/run/long")).text()).includes("<h1>long</h1>"), true);
      const ms = performance.now() - asked;
      console.log(`page: ${ms.toFixed(0)} ms`);
      assert.ok(ms < 1000, `${ms} ms`);
    });
  }));
