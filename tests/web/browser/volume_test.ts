import assert from "node:assert/strict";
import { niftiBytes } from "../../support/nifti_bytes.ts";
import { temporaryFolder } from "../../support/spawn.ts";
import { MadeUpRun } from "../made_up_run.ts";
import { checkAccessibility } from "./check_accessibility.ts";
import { browserTest, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { until } from "./until.ts";
import { watchPages } from "./watch_page.ts";

/** Writes a ball of `value` in a cube of 24 voxels, compressed. */
async function writeBall(path: string, radius: number, value: number): Promise<void> {
  const at = (i: number) => Math.hypot(i % 24 - 12, Math.floor(i / 24) % 24 - 12, Math.floor(i / 576) - 12);
  const voxels = Uint8Array.from({ length: 24 ** 3 }, (_, i) => at(i) < radius ? value : 0);
  const bytes = niftiBytes({ size: [24, 24, 24], datatype: 2, bits: 8, sformCode: 1 }, voxels);
  const gzip = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeFile(path, gzip);
}

/** A folder with a run that has segmented a case of a data set beside it. */
async function segmentedRun(folder: string): Promise<void> {
  (await MadeUpRun.start(`${folder}/run`, 2))[Symbol.dispose]();
  const dataset = { name: "Dataset001_Balls", labels: { background: 0, ball: 1 }, file_ending: ".nii.gz" };
  await Deno.writeTextFile(`${folder}/run/dataset.json`, JSON.stringify(dataset));
  await writeBall(`${folder}/datasets/Dataset001_Balls/imagesTr/case_0000.nii.gz`, 11, 200);
  await writeBall(`${folder}/run/validation/case.nii.gz`, 6, 1);
}

browserTest("a segmentation is shown over its image, its viewer loaded only then", async () => {
  using folder = temporaryFolder();
  await segmentedRun(folder.path);
  await using dashboard = await startDashboard(["dashboard", folder.path, "--port", "0"]);
  await using browser = await launchChromium({ webgl: true });
  const context = await browser.newContext();
  context.setDefaultTimeout(60_000);
  const watch = await watchPages(context, dashboard.origin);
  const page = await context.newPage();
  await page.goto(`${dashboard.origin}/run/run`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  assert.ok(![...watch.scripts.keys()].some((path) => path.includes("viewer")), "not on other pages");
  await page.getByRole("link", { name: "Volumes" }).click();
  const canvas = page.getByRole("img", { name: /^case of run/ });
  await page.getByText("Loading", { exact: false }).waitFor({ state: "detached" });
  assert.ok([...watch.scripts.keys()].some((path) => path.includes("viewer")));
  const picture = async () => (await canvas.screenshot()).toString("base64");
  const both = await picture();
  await page.getByRole("slider", { name: "Label opacity" }).press("Home");
  const image = await until(picture, (now) => now !== both);
  await page.getByLabel("View").selectOption("axial");
  await until(picture, (now) => now !== image);
  await page.getByRole("list", { name: "Classes" }).getByText("ball").waitFor();
  await checkAccessibility(page, "volumes");
  watch.assertClean("volumes", /GL Driver Message|GPU stall/);
  await context.close();
});

browserTest("a browser without WebGL2 says so and offers the file", async () => {
  using folder = temporaryFolder();
  await segmentedRun(folder.path);
  await using dashboard = await startDashboard(["dashboard", folder.path, "--port", "0"]);
  await using browser = await launchChromium();
  const context = await browser.newContext();
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  await page.goto(`${dashboard.origin}/run/run/volume`);
  await page.getByText("this browser has no WebGL2").waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  assert.deepEqual(
    (await Deno.readFile(await (await download).path())).slice(0, 2),
    Uint8Array.of(0x1f, 0x8b),
  );
  await context.close();
});
