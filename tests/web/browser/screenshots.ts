/**
 * Pictures of every page for the documentation (`deno task screenshots`): trains small example runs, or takes those below the
 * folder that is named, serves them and writes docs/screenshots/*.png.
 */
import type { RunKind, RunsResponse, SliceIndex, VolumesResponse } from "../../../web/api.ts";
import type { Browser, Page } from "../deps.ts";
import { repositoryRoot, temporaryFolder } from "../../support/spawn.ts";
import { chromiumPath, launchChromium } from "./chromium.ts";
import { startDashboard } from "./dashboard_process.ts";
import { openDownload } from "./open_download.ts";
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
  /** a file to download and open instead of a page */
  readonly file?: boolean;
}

/** Waits until the volume viewer has drawn. */
const drawn = async (page: Page) => {
  await page.getByText("Loading", { exact: false }).waitFor({ state: "detached", timeout: 120_000 });
  await page.waitForTimeout(1000);
};

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
    { name: "volume", path: `${run(finetuning)}/volume`, prepare: drawn },
    { name: "compare", path: compare },
    { name: "snapshot", path: `${run(pretraining)}/snapshot.html`, file: true },
    { name: "missing", path: run("no such run") },
  ];
}

async function take(browser: Browser, origin: string, shot: Shot, folder: string): Promise<void> {
  const context = await browser.newContext({
    viewport: sizes[shot.size ?? "desktop"],
    colorScheme: shot.dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const watch = await watchPages(context, shot.file ? "null" : origin);
  const page = await context.newPage();
  if (shot.file) await openDownload(page, `${origin}${shot.path}`);
  else await page.goto(`${origin}${shot.path}`);
  await page.waitForTimeout(1500); // live connections never make a page idle
  await shot.prepare?.(page);
  const path = `${folder}/${shot.name}.png`;
  await page.screenshot({ path, fullPage: shot.whole });
  await context.close();
  console.log(`${path}: ${Math.round((await Deno.stat(path)).size / 1024)} KiB`);
  for (const problem of watch.problems) console.log(`  ${problem}`);
}

/** The runs that show most: a pre-training with reconstructions, another to compare it with, a fine-tuning with segmentations. */
async function chooseRuns(origin: string): Promise<[string, string, string]> {
  const get = async <T>(path: string): Promise<T> => await (await fetch(`${origin}/api/${path}`)).json();
  const { runs } = await get<RunsResponse>("runs");
  const shown = async (run: string, what: "slices" | "volumes") => {
    const found = await get<SliceIndex & VolumesResponse>(`${what}?run=${encodeURIComponent(run)}`);
    return (found.steps ?? found.volumes).length;
  };
  const most = async (kind: RunKind, what: "slices" | "volumes") => {
    const ids = runs.filter((run) => run.kind === kind).map(({ id }) => id);
    const counts = await Promise.all(ids.map((id) => shown(id, what)));
    return ids.toSorted((a, b) => counts[ids.indexOf(b)] - counts[ids.indexOf(a)]);
  };
  const [pretraining, other] = await most("pretraining", "slices");
  const [finetuning] = await most("finetuning", "volumes");
  return [pretraining, other, finetuning];
}

if (import.meta.main) {
  if (chromiumPath === null) Deno.exit(1);
  using folder = temporaryFolder();
  const runs = Deno.args[0] ?? await trainExampleRuns(folder.path, console.log);
  const out = `${repositoryRoot}/docs/screenshots`;
  await Deno.mkdir(out, { recursive: true });
  await using browser = await launchChromium({ webgl: true });
  {
    await using dashboard = await startDashboard(["dashboard", runs, "--port", "0"]);
    const { origin } = dashboard;
    for (const shot of shotsOf(...await chooseRuns(origin))) await take(browser, origin, shot, out);
  }
  await using guarded = await startDashboard(["dashboard", runs, "--token", "--port", "0"]);
  await take(browser, guarded.origin, { name: "login", path: "/" }, out);
}
