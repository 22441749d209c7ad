import assert from "node:assert/strict";
import { temporaryFolder } from "../../support/spawn.ts";
import { MadeUpRun } from "../made_up_run.ts";
import { chart, legendStep } from "./chart_legend.ts";
import { browserTest, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { until } from "./until.ts";
import { watchPages } from "./watch_page.ts";

browserTest("a step that a run logs is on the page within 1.5 s", async () => {
  using folder = temporaryFolder();
  using run = await MadeUpRun.start(`${folder.path}/run`, 1000);
  run.advance(100);
  await using dashboard = await startDashboard(["dashboard", folder.path, "--port", "0"]);
  await using browser = await launchChromium();
  const context = await browser.newContext();
  const watch = await watchPages(context, dashboard.origin);
  const page = await context.newPage();
  await page.goto(`${dashboard.origin}/run/run`);
  const loss = chart(page, "Loss (masked");
  await until(() => legendStep(loss), (step) => step === run.step);
  const delays: number[] = [];
  for (let i = 0; i < 7; i++) {
    await new Promise((done) => setTimeout(done, 137 * i)); // another moment of the server's rhythm each time
    const stored = run.advance(1 + i);
    await until(() => legendStep(loss), (step) => step === run.step);
    delays.push(Date.now() - stored);
  }
  console.log(`from the log to the page: ${delays.map((ms) => `${ms} ms`).join(", ")}`);
  const sorted = delays.toSorted((a, b) => a - b);
  assert.ok(sorted[3] < 1500, `half of the steps took longer than ${sorted[3]} ms`);
  watch.assertClean("run page");
});
