import assert from "node:assert/strict";
import { createDashboard } from "../../web/dashboard.ts";
import { LiveHub } from "../../web/runs/live_hub.ts";
import { temporaryFolder } from "../support/spawn.ts";
import { chart, legendStep } from "../web/browser/chart_legend.ts";
import { browserTest, launchChromium } from "../web/browser/chromium.ts";
import { rendererMemory } from "../web/browser/renderer_memory.ts";
import { until } from "../web/browser/until.ts";
import { watchPages } from "../web/browser/watch_page.ts";
import { MadeUpRun } from "../web/made_up_run.ts";

/** An hour of a run that takes 2.5 steps/s: what its log gets in 400 ms, the pace of the dashboard, comes every 25 ms. */
const HOUR = { updates: 9000, everyMs: 25, stepsAnUpdate: 1, updatesAValidation: 100 };
/** Most that a page may hold, MiB of private memory: what Chromium itself counts as the memory of a page. */
const MOST = 300;

for (const tab of ["", "/pictures"]) {
  browserTest(`/run/:id${tab} stays below ${MOST} MiB of browser memory in an hour of updates`, async () => {
    using folder = temporaryFolder();
    using run = await MadeUpRun.start(`${folder.path}/run`, 10_000);
    run.advance(1);
    await run.drawSlices();
    const dashboard = await createDashboard({
      roots: [folder.path],
      token: null,
      allowControl: false,
      version: "0",
    });
    using hub = new LiveHub(dashboard.context.runs, HOUR.everyMs);
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request, info) => {
        if (new URL(request.url).pathname !== "/api/live") return await dashboard.fetch(request, info);
        return new Response(await hub.stream(["run"]), { headers: { "content-type": "text/event-stream" } });
      },
    );
    const origin = `http://127.0.0.1:${server.addr.port}`;
    await using browser = await launchChromium();
    const context = await browser.newContext();
    const watch = await watchPages(context, origin);
    const page = await context.newPage();
    await page.goto(`${origin}/run/run${tab}`);
    const sizes = [];
    for (let update = 1; update <= HOUR.updates; update++) {
      const next = performance.now() + HOUR.everyMs;
      run.advance(HOUR.stepsAnUpdate);
      if (update % HOUR.updatesAValidation === 0) await run.drawSlices();
      if (update % 300 === 0) sizes.push(await rendererMemory(browser));
      await new Promise((done) => setTimeout(done, Math.max(0, next - performance.now())));
    }
    const most = Math.max(...sizes.map(({ private: own }) => own));
    console.log(
      `${tab || "run page"}: ${
        sizes.map(({ private: own, resident }) => `${own.toFixed()}/${resident.toFixed()}`).join(" ")
      } MiB, private/resident`,
    );
    if (tab === "") {
      await until(() => legendStep(chart(page, "Loss (masked")), (step) => step === run.step);
    } else {
      const shown = page.getByRole("slider", { name: "Training step" });
      const drawn = 1 + HOUR.updates / HOUR.updatesAValidation;
      await until(() => shown.getAttribute("max"), (max) => max === String(drawn - 1));
    }
    assert.ok(most < MOST, `${most} MiB`);
    watch.assertClean("an hour of updates");
    await context.close();
    hub.close();
    await dashboard.close();
  }, { ignore: Deno.build.os !== "linux" });
}
