/**
 * Compares this project with recorded values of the reference implementations: every folder of GOLDEN_DIR is one group.
 * Prints a line for each group and layout of the sparse encoder, and closes with `N passed, N failed, N skipped`; exit code 1 on any miss or unknown group.
 */
import type { EncoderLayout } from "../../model/masking.ts";
import { Checker, goldenDir, type GoldenGroup, type GoldenModule, openGroup } from "./support.ts";

const MODULES: Readonly<Record<string, () => Promise<GoldenModule>>> = {
  a_conv3d: () => import("./groups/a_conv3d.ts"),
  b_conv_transpose3d: () => import("./groups/b_conv_transpose3d.ts"),
  c_norm_act_pool: () => import("./groups/c_norm_act_pool.ts"),
  d_sparse_ops: () => import("./groups/d_sparse_ops.ts"),
  e_resenc_unet: () => import("./groups/e_resenc_unet.ts"),
  f_spark_mae: () => import("./groups/f_spark_mae.ts"),
  g_training_traces: () => import("./groups/g_training_traces.ts"),
  h_nnunet_loss: () => import("./groups/h_nnunet_loss.ts"),
  i_resampling: () => import("./groups/i_resampling.ts"),
  j_preprocessing: () => import("./groups/j_preprocessing.ts"),
  k_lr_schedules: () => import("./groups/k_lr_schedules.ts"),
  l_sliding_window: () => import("./groups/l_sliding_window.ts"),
  m_metrics: () => import("./groups/m_metrics.ts"),
  n_checkpoints: () => import("./groups/n_checkpoints.ts"),
  o_masks: () => import("./groups/o_masks.ts"),
};

type Outcome = "passed" | "failed";

const LABEL_WIDTH = 32;

/** Registry key of a group: the folder's name, or the manifest's own group name when the folder was renamed. */
function registryKey(group: GoldenGroup): string | null {
  return [group.name, group.manifest.group].find((name) => name in MODULES) ?? null;
}

/** Runs one folder, in every layout that it has, and prints a line each. */
async function runFolder(dir: string): Promise<Outcome[]> {
  const label = dir.split("/").at(-1)!.padEnd(LABEL_WIDTH);
  try {
    const group = openGroup(dir);
    const key = registryKey(group);
    if (key === null) {
      console.log(
        `${label} FAILED   unknown group ${group.manifest.group}: add tests/golden/groups/<group>.ts and register it`,
      );
      return ["failed"];
    }
    const module = await MODULES[key]();
    const outcomes: Outcome[] = [];
    for (const layout of module.layouts ?? [null]) outcomes.push(await runGroup(group, module, layout));
    return outcomes;
  } catch (error) {
    console.log(`${label} FAILED   ${error instanceof Error ? error.stack ?? error.message : error}`);
    return ["failed"];
  }
}

/** Runs a group in a layout and prints its line. */
async function runGroup(
  group: GoldenGroup,
  module: GoldenModule,
  layout: EncoderLayout | null,
): Promise<Outcome> {
  const started = performance.now();
  const { inLayout } = module;
  const cases = group.manifest.cases.filter((c) => layout === null || !inLayout || inLayout(c, layout));
  const check = new Checker((ref) => group.tensor(ref));
  await module.run({ ...group, manifest: { ...group.manifest, cases } }, check, layout ?? "dense-masked");
  for (const { id } of cases) {
    if (!check.sawCase(id)) check.miss(id, "case", "nothing was compared");
  }
  if (check.tensors + check.values === 0) check.miss(group.name, "group", "nothing was compared");
  const label = layout === null ? group.name : `${group.name}, ${layout}`;
  printGroup(label.padEnd(LABEL_WIDTH), check, performance.now() - started);
  return check.missCount > 0 ? "failed" : "passed";
}

function printGroup(label: string, check: Checker, ms: number): void {
  const counts = `${check.cases} cases, ${check.tensors} tensors, ${check.values} values`;
  const share = `worst share of tolerance ${check.worstShare.toPrecision(3)}`;
  console.log(
    `${label} ${check.missCount > 0 ? "FAILED  " : "passed  "} ${counts}, ${share}, ${ms.toFixed(0)} ms`,
  );
  for (const miss of check.misses.slice(0, 20)) {
    const place = miss.index < 0 ? "" : ` at ${miss.index}`;
    const budget = Number.isFinite(miss.budgetShare)
      ? `, ${miss.budgetShare.toPrecision(3)} x tolerance`
      : "";
    const compared = miss.actual !== undefined || miss.expected !== undefined;
    const values = `found ${show(miss.actual)}, wanted ${show(miss.expected)}${budget} (${miss.reason})`;
    console.log(`    ${miss.caseId} ${miss.tensor}${place}: ${compared ? values : miss.reason}`);
  }
  if (check.missCount > 20) console.log(`    and ${check.missCount - 20} more`);
}

function show(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value).slice(0, 120) : String(value);
}

/** Folders of groups below `root`; `root` itself when it is one group. */
function groupFolders(root: string, prefixes: readonly string[]): string[] {
  const entries = [...Deno.readDirSync(root)];
  if (entries.some(({ name }) => name === "manifest.json")) return [root.replace(/\/+$/, "")];
  return entries.filter((entry) => entry.isDirectory || entry.isSymlink).map(({ name }) => name)
    .filter((name) => prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix)))
    .sort().map((name) => `${root}/${name}`);
}

/** Runs all groups whose folder names start with one of `prefixes` (all when empty). */
async function main(prefixes: readonly string[]): Promise<number> {
  const root = goldenDir();
  if (root === null) {
    const set = Deno.env.get("GOLDEN_DIR");
    console.log(
      set === undefined
        ? "No recorded values: ../shared/golden is not beside the checkout and GOLDEN_DIR is not set"
        : `No recorded values: GOLDEN_DIR is ${set}, which is not a folder`,
    );
    console.log("0 passed, 0 failed, 1 skipped");
    return 0;
  }
  const folders = groupFolders(root, prefixes);
  const counts: Record<Outcome, number> = { passed: 0, failed: 0 };
  for (const folder of folders) for (const outcome of await runFolder(folder)) counts[outcome]++;
  if (folders.length === 0) {
    console.log(`No group in ${root}${prefixes.length ? ` starts with ${prefixes.join(" or ")}` : ""}`);
    counts.failed++;
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, 0 skipped`);
  return counts.failed > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
