import assert from "node:assert/strict";
import { hasAdapter } from "../../support/gpu.ts";
import { spawnSpark3d, temporaryFolder } from "../../support/spawn.ts";
import type { Locator, Page } from "../deps.ts";
import { chart, legendStep } from "./chart_legend.ts";
import { checkAccessibility } from "./check_accessibility.ts";
import { browserTest, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { openDownload } from "./open_download.ts";
import { prepareTinyData, tinyTraining } from "./tiny_training.ts";
import { until } from "./until.ts";
import { watchPages } from "./watch_page.ts";

const lossOf = (page: Page) => chart(page, "Loss (masked");
const lastStep = (page: Page) => legendStep(lossOf(page));

/** Bytes of what a canvas shows. */
const drawn = (canvas: Locator): Promise<string> =>
  canvas.evaluate((element) => (element as HTMLCanvasElement).toDataURL());

browserTest("a person watches a training run, stops it, compares it and opens a finished one", async (t) => {
  using folder = temporaryFolder();
  await prepareTinyData(folder.path);
  const first = await spawnSpark3d(tinyTraining(folder.path, "first", 3, 1));
  assert.equal(first.code, 0, first.stderr);
  await using browser = await launchChromium();
  await using training = await startDashboard([
    ...tinyTraining(folder.path, "second", 200, 2),
    "--dashboard",
    "127.0.0.1:0",
    "--allow-control",
  ]);
  const { origin } = training;
  const context = await browser.newContext();
  context.setDefaultTimeout(60_000);
  const watch = await watchPages(context, origin);
  const page = await context.newPage();
  const step = (name: string, fn: () => Promise<void>, expected?: RegExp) =>
    t.step(name, async () => {
      await fn();
      watch.assertClean(name, expected);
    });

  await step("the list shows both runs and how they do", async () => {
    await page.goto(training.url);
    await page.getByRole("row", { name: /first.*finished/ }).waitFor();
    await page.getByRole("row", { name: /second.*running/ }).waitFor();
    await checkAccessibility(page, "run list");
    await page.getByRole("link", { name: "second" }).click();
  });
  await step("the loss curve grows without a reload", async () => {
    await page.evaluate(() => document.body.dataset.same = "yes");
    const before = await until(() => lastStep(page), (value) => value > 0);
    const canvas = lossOf(page).locator("canvas").first();
    const picture = await drawn(canvas);
    await until(() => lastStep(page), (value) => value >= before + 10);
    await until(() => drawn(canvas), (now) => now !== picture);
    assert.equal(
      await page.evaluate(() => document.body.dataset.same),
      "yes",
      "the page was not loaded again",
    );
    await checkAccessibility(page, "run page");
  });
  await step("a chart is read, zoomed and changed by keyboard", async () => {
    const loss = lossOf(page);
    await loss.getByRole("img").focus();
    await page.keyboard.press("Home");
    assert.equal(await lastStep(page), await until(() => lastStep(page), (value) => value < 5));
    await page.keyboard.press("Escape");
    await loss.getByRole("button", { name: "log" }).press("Enter");
    await loss.getByRole("button", { name: "log", pressed: true }).waitFor();
    await loss.getByRole("button", { name: "table" }).press("Enter");
    await loss.getByRole("table").waitFor();
    const download = page.waitForEvent("download");
    await loss.getByRole("link", { name: /CSV/ }).click();
    const csv = await Deno.readTextFile(await (await download).path());
    assert.ok(csv.split("\n").length > 10, csv);
    const picture = page.waitForEvent("download");
    await loss.getByRole("button", { name: /PNG/ }).click();
    const png = await Deno.readFile(await (await picture).path());
    assert.deepEqual([...png.slice(1, 4)].map((code) => String.fromCharCode(code)).join(""), "PNG");
  });
  await step(
    "a reconstruction appears without a reload, and the slider moves through the steps",
    async () => {
      await page.getByRole("link", { name: "Pictures" }).click();
      const slider = page.getByRole("slider", { name: "Training step" });
      const most = () => slider.getAttribute("max").then(Number);
      const before = await until(most, (value) => value >= 1);
      await until(most, (value) => value > before);
      const canvas = page.locator("section[aria-label^=Axial] canvas").nth(2);
      const newest = await drawn(canvas);
      await slider.press("Home");
      await until(() => slider.inputValue(), (value) => value === "0");
      const oldest = await until(() => drawn(canvas), (picture) => picture !== newest);
      await slider.press("ArrowRight");
      await until(() => slider.inputValue(), (value) => value === "1");
      await until(() => drawn(canvas), (picture) => picture !== oldest);
      await checkAccessibility(page, "pictures");
    },
  );
  await step("two runs are compared", async () => {
    await page.goto(`${origin}/`);
    for (const name of ["first", "second"]) {
      await page.getByRole("checkbox", { name: new RegExp(name) }).check();
    }
    await page.getByRole("link", { name: /compare/i }).or(page.getByRole("button", { name: /compare/i }))
      .click();
    const legend = chart(page, "loss").locator(".legend");
    await until(() => legend.innerText(), (text) => text.includes("first") && text.includes("second"));
    await page.getByRole("row", { name: /^seed (1 2|2 1)/ }).waitFor();
    await checkAccessibility(page, "compare");
  });
  await step("the run takes a note, and stops when asked", async () => {
    await page.goto(`${origin}/run/second`);
    await page.getByRole("textbox", { name: /note/i }).fill("looks <b>fine</b>");
    await page.getByRole("button", { name: /note/i }).click();
    await page.getByText("looks <b>fine</b>").waitFor();
    await page.getByRole("button", { name: /stop/i }).click();
    await page.getByRole("dialog").getByRole("button", { name: /stop/i }).click();
    assert.equal(await training.ended, 0, training.output());
    const summary = JSON.parse(await Deno.readTextFile(`${folder.path}/runs/second/summary.json`));
    assert.equal(summary.state, "stopped");
  }, /net::ERR_\w+ \(.*\/api\/live/); // the dashboard ends with its run
  await t.step("scripts without the volume viewer are below 60 kB compressed", () => {
    const bytes = [...watch.scripts].filter(([path]) => !path.includes("viewer")).map(([, size]) => size);
    const total = bytes.reduce((sum, size) => sum + size, 0);
    console.log(`scripts: ${[...watch.scripts].map(([path, size]) => `${path} ${size} bytes`).join(", ")}`);
    assert.ok(total > 0 && total < 60_000, `${total} bytes`);
  });
  await context.close();

  await t.step("finished and stopped runs are opened again", async () => {
    await using dashboard = await startDashboard(["dashboard", `${folder.path}/runs`, "--port", "0"]);
    const context = await browser.newContext({ colorScheme: "dark" });
    const watch = await watchPages(context, dashboard.origin);
    const page = await context.newPage();
    await page.goto(dashboard.url);
    await page.getByRole("row", { name: /second.*stopped/ }).waitFor();
    await checkAccessibility(page, "run list, dark");
    await page.getByRole("link", { name: "first" }).click();
    await until(() => lastStep(page), (value) => value === 30);
    assert.equal(await page.getByRole("button", { name: /stop/i }).count(), 0, "control is off");
    await checkAccessibility(page, "run page, dark");
    await page.getByRole("link", { name: "Pictures" }).click();
    await page.getByRole("slider", { name: "Training step" }).waitFor();
    await checkAccessibility(page, "pictures, dark");
    for (const width of [360, 3840]) {
      await page.setViewportSize({ width, height: 900 });
      for (const path of ["/", "/run/first", "/run/first/pictures", "/compare?run=first&run=second"]) {
        await page.goto(`${dashboard.origin}${path}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(needed <= width, `${path} is ${needed} pixels wide on a screen of ${width}`);
      }
    }
    watch.assertClean("finished runs");
    await context.close();
    const elsewhere = await browser.newContext();
    const alone = await watchPages(elsewhere, "null"); // the origin of files: any request would be one too many
    const file = await elsewhere.newPage();
    await openDownload(file, `${dashboard.origin}/run/first/snapshot.html`);
    await file.getByRole("heading", { level: 1, name: "first" }).waitFor();
    await file.getByRole("img", { name: /loss/i }).first().waitFor();
    await checkAccessibility(file, "snapshot");
    alone.assertClean("snapshot");
    await elsewhere.close();
  });
}, { ignore: !hasAdapter });
