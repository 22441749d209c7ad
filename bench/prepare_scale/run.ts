/**
 * How discovery, headers, filters, plan, split and index grow with the number of images: trees of links to 2,000 small heads.
 *
 *   deno run -A bench/prepare_scale/run.ts [--entries=5000,10000,20000,40000] [--heads=FOLDER]
 *
 * One JSON line a step and size, then one a size with the sums, then one a step with its growth over n log n. Exit code 1 when the
 * largest size takes more than 60 s or 1 GiB, or a step grows faster than n log n (a quarter and 0.2 s are allowed for chance).
 * `--heads` keeps the heads, which take minutes to generate, for the next time.
 */
import { parseArgs } from "node:util";
import { fromFileUrl } from "../paths.ts";
import { writeHeads, writeLinks } from "./cohort.ts";
import type { StepRecord } from "./measure.ts";

const MOST_SECONDS = 60, MOST_MIB = 1024;

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "5000,10000,20000,40000" },
    heads: { type: "string" },
  },
});
const sizes = values.entries.split(",").map(Number);
const folder = await Deno.makeTempDir({ prefix: "spark3d_scale_" });
const records: StepRecord[] = [];
try {
  const heads = await writeHeads(values.heads ?? `${folder}/heads`, console.error);
  for (const entries of sizes) {
    console.error(`linking ${entries} entries to ${heads.length} heads`);
    await writeLinks(`${folder}/${entries}`, entries, heads);
    records.push(...await runSteps(`${folder}/${entries}`, entries));
    await Deno.remove(`${folder}/${entries}`, { recursive: true });
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
for (const entries of sizes) console.log(JSON.stringify(totals(entries)));
const growth = [...new Set(records.map(({ step }) => step))].map(growthOf);
for (const line of growth) console.log(JSON.stringify(line));
const largest = totals(Math.max(...sizes));
const fits = largest.seconds <= MOST_SECONDS && (largest.peakMiB ?? 0) <= MOST_MIB;
if (!fits || growth.some(({ withinNLogN }) => !withinNLogN)) Deno.exit(1);

/** Runs all steps in a process of their own, so that sizes do not share memory. */
async function runSteps(path: string, entries: number): Promise<StepRecord[]> {
  const module = fromFileUrl(new URL("./steps.ts", import.meta.url));
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", module, path, String(entries)],
    stderr: "inherit",
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  console.log(text);
  if (!success) throw new Error(`the steps of ${entries} entries failed`);
  return text.split("\n").map((line) => JSON.parse(line));
}

function totals(entries: number): StepRecord {
  const own = records.filter((record) => record.entries === entries);
  const seconds = Number(own.reduce((sum, record) => sum + record.seconds, 0).toFixed(3));
  const peaks = own.map(({ peakMiB }) => peakMiB ?? 0);
  return { entries, step: "all", seconds, peakMiB: Math.max(...peaks) || null };
}

/** Time at the largest size over that at the smallest, beside what n log n would make of it. */
function growthOf(step: string) {
  const own = records.filter((record) => record.step === step).sort((a, b) => a.entries - b.entries);
  const small = own[0], large = own.at(-1)!;
  const nLogN = ({ entries }: StepRecord) => entries * Math.log(entries);
  const allowed = nLogN(large) / nLogN(small);
  return {
    step,
    timeRatio: Number((large.seconds / small.seconds).toFixed(2)),
    nLogNRatio: Number(allowed.toFixed(2)),
    withinNLogN: large.seconds <= 1.25 * allowed * small.seconds + 0.2,
  };
}
