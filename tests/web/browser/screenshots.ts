/**
 * Pictures of every page for the documentation (`deno task screenshots`): trains small example runs, or takes those below the
 * folder that is named, serves them and writes docs/screenshots/*.png.
 */
import type { Browser, Page } from "../deps.ts";
import { repositoryRoot, temporaryFolder } from "../../support/spawn.ts";
import { chromiumPath, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { trainExampleRuns } from "./example_runs.ts";
import { watchPages } from "./watch_page.ts";

const sizes = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
  "4k": { width: 3840, height: 2160 },
} as const;

/** One picture: where, how large, and what to do before it is taken. */
interface Shot {
  readonly name: string;
  readonly path: string;
  readonly size?: keyof typeof sizes;
  readonly dark?: boolean;
  /** the whole page instead of the first screen */
  readonly whole?: boolean;
  readonly prepare?: (page: Page) => Promise<void>;
}

/** What is shown of these runs. */
function shotsOf(pretraining: string, other: string, finetuning: string): readonly Shot[] {
  const run = (id: string) => `/run/${encodeURIComponent(id)}`;
  const compare = `/compare?run=${encodeURIComponent(pretraining)}&run=${encodeURIComponent(other)}`;
  const pictures = `${run(pretraining)}/pictures`;
  return [
    { name: "runs", path: "/" },
    { name: "runs_phone_dark", path: "/", size: "phone", dark: true },
    { name: "run", path: run(pretraining), whole: true },
    { name: "run_dark", path: run(pretraining), dark: true },
    { name: "run_phone", path: run(pretraining), size: "phone" },
    { name: "run_4k", path: run(pretraining), size: "4k" },
    { name: "finetuning", path: run(finetuning), whole: true },
    { name: "pictures", path: pictures },
    { name: "pictures_dark", path: pictures, dark: true },
    { name: "pictures_phone", path: pictures, size: "phone" },
    { name: "volume", path: `${run(finetuning)}/volume`, prepare: (page) => page.waitForTimeout(8000) },
    { name: "compare", path: compare },
    { name: "snapshot", path: `${run(pretraining)}/snapshot.html` },
    { name: "missing", path: run("no such run") },
  ];
}

async function take(browser: Browser, origin: string, shot: Shot, folder: string): Promise<void> {
  const context = await browser.newContext({
    viewport: sizes[shot.size ?? "desktop"],
    colorScheme: shot.dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const watch = await watchPages(context, origin);
  const page = await context.newPage();
  await page.goto(`${origin}${shot.path}`);
  await page.waitForTimeout(1500); // live connections never make a page idle
  await shot.prepare?.(page);
  const path = `${folder}/${shot.name}.png`;
  await page.screenshot({ path, fullPage: shot.whole });
  await context.close();
  console.log(`${path}: ${Math.round((await Deno.stat(path)).size / 1024)} KiB`);
  for (const problem of watch.problems) console.log(`  ${problem}`);
}

if (import.meta.main) {
  if (chromiumPath === null) Deno.exit(1);
  using folder = temporaryFolder();
  const runs = Deno.args[0] ?? await trainExampleRuns(folder.path, console.log);
  await using dashboard = await startDashboard(["dashboard", runs, "--port", "0"]);
  await using browser = await launchChromium({ webgl: true });
  const out = `${repositoryRoot}/docs/screenshots`;
  await Deno.mkdir(out, { recursive: true });
  const [pretraining, other, finetuning] = ["s3d", "mae", "finetune/fold_0"];
  for (const shot of shotsOf(pretraining, other, finetuning)) {
    await take(browser, dashboard.origin, shot, out);
  }
  await using guarded = await startDashboard(["dashboard", runs, "--host", "0.0.0.0", "--port", "0"]);
  await take(browser, guarded.origin, { name: "login", path: "/" }, out);
  Deno.exit(0);
}
