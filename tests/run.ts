/**
 * Runs every check of this checkout (`spark3d test`): format, lint, types, tests, doc examples, recorded values, line
 * coverage. The last line is `N passed, N failed`, with `, N skipped` when some were; exit code 1 when anything failed.
 *
 *   --slow          also the long checks of tests/slow
 *   --filter=TEXT   only tests whose name contains TEXT
 *   --no-coverage   do not measure coverage: numerical loops run about ten times faster without
 *   --fail-fast     stop after the first stage that fails
 *   --json          one JSON object on stdout, everything else on stderr
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { askDawn } from "../cli/dawn.ts";
import { addCounts, type Counts, formatCounts, noCounts } from "./runner/counts.ts";
import { browserPackages, installPackages, slowPackages } from "./runner/packages.ts";
import { coverageStage, denoStage, programStage, type Stage, testStage } from "./runner/stages.ts";

const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Folders of tests that are not measured: whole runs, and what happens in a browser. */
const unmeasured = ["tests/slow", "tests/end_to_end", "tests/web/browser"];

/** The stages of a run, in order. */
async function stagesFor(
  options: { slow: boolean; filtered: boolean; log: (line: string) => void },
): Promise<Stage[]> {
  const tests: Stage[] = [
    // Coverage makes numerical loops about ten times slower, so whole runs have a folder of their own, not measured.
    testStage("tests", { paths: ["tests"], ignore: unmeasured, covered: true }),
    testStage("end to end tests", { paths: ["tests/end_to_end"] }),
    testStage("browser tests", { paths: ["tests/web/browser"] }),
  ];
  const slow: Stage[] = [testStage("slow tests", { paths: ["tests/slow"] })];
  if (options.filtered) return options.slow ? [...tests, ...slow] : tests;
  const stages = [
    denoStage("format", ["fmt", "--check"]),
    denoStage("lint", ["lint", "--quiet"]),
    denoStage("types", ["check", "--quiet", "--doc", "."]),
    ...tests,
    testStage("doc examples", {
      paths: ["mod.ts", "kernels", "model", "data", "train", "evaluate", "README.md", "docs"],
      doc: true,
    }),
    programStage("recorded values", "tests/golden/run.ts", []),
  ];
  if (options.slow) {
    stages.push(...slow);
    if (await Deno.stat(swiftShader).then(() => true, () => false)) {
      const env = { VK_DRIVER_FILES: swiftShader };
      stages.push(
        programStage(
          "recorded values, SwiftShader",
          "tests/golden/run.ts",
          [..."abcdef"].map((group) => `${group}_`),
          env,
        ),
      );
      stages.push(...await dawnStages(options.log, env));
    }
  }
  return [...stages, coverageStage];
}

/** The same kernels on the other WebGPU implementation; none, and a line that says why, when it cannot be loaded. */
async function dawnStages(log: (line: string) => void, driver: Record<string, string>): Promise<Stage[]> {
  const { installed, problem } = await askDawn({ fetch: true });
  if (!installed) {
    log(`checks on Dawn are skipped: ${problem}`);
    return [];
  }
  const env = { ...driver, SPARK3D_ADAPTER: "dawn" };
  const paths = ["reduce", "device", "runtime"].map((name) => `tests/kernels/${name}_test.ts`);
  return [
    testStage("kernel tests, Dawn", { paths, env }),
    programStage(
      "recorded values, Dawn",
      "tests/golden/run.ts",
      [..."abcdefg"].map((group) => `${group}_`),
      env,
    ),
  ];
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      "slow": { type: "boolean", default: false },
      "filter": { type: "string" },
      "no-coverage": { type: "boolean", default: false },
      "fail-fast": { type: "boolean", default: false },
      "json": { type: "boolean", default: false },
    },
  });
  const root = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
  const log = values.json ? (line: string) => console.error(line) : (line: string) => console.log(line);
  if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("XDG_RUNTIME_DIR", "/tmp"); // silences a warning of each adapter request
  const filter = values.filter ?? null;
  const coverage = values["no-coverage"] || filter !== null ? null : `${root}/coverage/raw`;
  if (coverage !== null) await Deno.remove(coverage, { recursive: true }).catch(() => {});
  if (values.slow || filter === null) {
    await installPackages(values.slow ? slowPackages : browserPackages, log);
  }
  let total = noCounts;
  const results: { stage: string; seconds: number; counts: Counts }[] = [];
  for (const stage of await stagesFor({ slow: values.slow, filtered: filter !== null, log })) {
    log(`== ${stage.name}`);
    const started = performance.now();
    let counts: Counts;
    try {
      counts = await stage.run({ root, log, filter, coverage });
    } catch (error) {
      log(`${stage.name}: ${error instanceof Error ? error.stack : error}`);
      counts = { ...noCounts, failed: 1 };
    }
    total = addCounts(total, counts);
    results.push({ stage: stage.name, seconds: (performance.now() - started) / 1000, counts });
    if (values["fail-fast"] && counts.failed > 0) {
      log(`stopped at the first stage that failed: ${stage.name}`);
      break;
    }
  }
  log("");
  for (const { stage, seconds, counts } of results) {
    log(
      `${counts.failed > 0 ? "FAILED" : "ok    "} ${stage.padEnd(30)} ${formatCounts(counts)} (${
        seconds.toFixed(1)
      } s)`,
    );
  }
  const ok = total.failed === 0 && total.passed > 0;
  if (values.json) console.log(JSON.stringify({ ok, ...total, stages: results }));
  log(formatCounts(total.passed + total.failed > 0 ? total : { ...total, failed: filter === null ? 1 : 0 }));
  return ok ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
