import { countJunit, type Counts, noCounts, parseCounts } from "./counts.ts";
import { folderCoverage, removeUnfinished } from "./coverage.ts";
import { runProcess } from "./process.ts";

/** What every stage gets. */
export interface StageContext {
  /** absolute path of the repository, without a closing slash */
  readonly root: string;
  readonly log: (line: string) => void;
  readonly filter: string | null;
  /** folder for raw coverage data, null when it is not measured */
  readonly coverage: string | null;
}

/** A group of checks that runs as one. */
export interface Stage {
  readonly name: string;
  run(context: StageContext): Promise<Counts>;
}

/** Share of lines that the tests of a folder must reach. */
export const requiredCoverage = 0.9;

const codeFolders = ["kernels", "model", "data", "train", "evaluate"] as const;

/** A Deno subcommand that passes or fails as a whole. */
export function denoStage(name: string, args: readonly string[]): Stage {
  return {
    name,
    async run({ root, log }) {
      const { code } = await runProcess(Deno.execPath(), args, { log, cwd: root });
      return { ...noCounts, [code === 0 ? "passed" : "failed"]: 1 };
    },
  };
}

/** Which tests a {@linkcode testStage} runs. */
export interface TestSelection {
  /** files and folders below the root; those that do not exist are left out */
  readonly paths: readonly string[];
  readonly ignore?: readonly string[];
  /** run the code blocks of docstrings and Markdown too */
  readonly doc?: boolean;
  readonly covered?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `deno test` and counts its cases; a process that fails without a failed case counts as one failure. */
export function testStage(name: string, selection: TestSelection): Stage {
  return {
    name,
    async run({ root, log, filter, coverage }) {
      const paths = await existing(root, selection.paths);
      const candidates = await Promise.all(paths.map((path) => holdsTests(`${root}/${path}`)));
      if (!selection.doc && !candidates.includes(true)) return noCounts;
      if (paths.length === 0) return noCounts;
      const report = `${root}/coverage/${name.replaceAll(" ", "_")}.xml`;
      await Deno.mkdir(`${root}/coverage`, { recursive: true });
      await Deno.remove(report).catch(() => {});
      const args = ["test", "--allow-all", "--no-check", "--quiet", `--junit-path=${report}`];
      args.push(...lockFlags(selection.env));
      if (selection.doc) args.push("--doc");
      if (selection.ignore) args.push(`--ignore=${selection.ignore.join(",")}`);
      if (filter !== null) args.push(`--filter=${filter}`);
      if (coverage !== null && selection.covered) {
        args.push(`--coverage=${coverage}`, "--coverage-raw-data-only");
      }
      // Tests that are not measured may still measure processes that they start (see tests/support/spawn.ts).
      const env: Record<string, string> = {
        ...(coverage === null ? {} : { SPARK3D_COVERAGE_DIR: coverage }),
        ...selection.env,
      };
      const { code } = await runProcess(Deno.execPath(), [...args, ...paths], { log, cwd: root, env });
      let counts: Counts;
      try {
        counts = countJunit(await Deno.readTextFile(report));
      } catch {
        log(`${name}: the process ended with code ${code} and left no report`);
        return { ...noCounts, failed: 1 };
      }
      return judgeExit(name, code, counts, log);
    },
  };
}

/** Exit codes of a process that SIGABRT or SIGSEGV ended. */
const CRASHES: readonly number[] = [134, 139];

/**
 * Outcome of a test process that left its report, which Deno writes after the last test.
 *
 * A crash behind a report without failures is told, not counted: Mesa's software driver now and then ends a process so (one
 * in fifty here, with tests that do nothing but open devices), when a thread that used it ends while the process runs its
 * exit handlers. A crash before that leaves no report and is a failure. Any other code but 0 is a failure too.
 */
export function judgeExit(name: string, code: number, counts: Counts, log: (line: string) => void): Counts {
  if (code === 0 || counts.failed > 0) return counts;
  if (CRASHES.includes(code)) {
    log(`${name}: the process crashed at its exit (code ${code}), after a complete report without failures`);
    return counts;
  }
  log(`${name}: the process ended with code ${code} though no test failed`);
  return { ...counts, failed: 1 };
}

/** Flags of a process with these variables: one that loads Dawn must not write it to deno.lock (see kernels/deps.ts). */
function lockFlags(env: Readonly<Record<string, string>> = {}): string[] {
  return env.SPARK3D_ADAPTER === "dawn" ? ["--no-lock"] : [];
}

/** Runs a program of the project that closes with `N passed, N failed`. */
export function programStage(
  name: string,
  module: string,
  args: readonly string[],
  env?: Record<string, string>,
): Stage {
  return {
    name,
    async run({ root, log, coverage }) {
      if ((await existing(root, [module])).length === 0) return noCounts;
      const measure: Record<string, string> = coverage === null ? {} : { DENO_COVERAGE_DIR: coverage };
      const all = ["run", "--quiet", "--allow-all", "--no-check", ...lockFlags(env), module, ...args];
      const { code, stdout } = await runProcess(Deno.execPath(), all, {
        log,
        cwd: root,
        env: { ...measure, ...env },
      });
      const counts = parseCounts(stdout);
      if (counts === null) log(`${name}: the process ended with code ${code} and no closing line of counts`);
      if (counts === null || (code !== 0 && counts.failed === 0)) {
        return { ...(counts ?? noCounts), failed: 1 };
      }
      return counts;
    },
  };
}

/** Prints the line coverage of each folder of code; each one is a check once all of them exist. */
export const coverageStage: Stage = {
  name: "coverage",
  async run({ root, log, coverage }) {
    if (coverage === null) return noCounts;
    const quiet = { log: () => {}, cwd: root };
    const output = `${root}/coverage/lcov.info`;
    const unfinished = removeUnfinished(coverage);
    if (unfinished > 0) log(`coverage: left out ${unfinished} files of processes that tests killed`);
    const { code } = await runProcess(
      Deno.execPath(),
      ["coverage", "--lcov", `--output=${output}`, coverage],
      quiet,
    );
    if (code !== 0) {
      log(`coverage: deno coverage ended with code ${code}`);
      return { ...noCounts, failed: 1 };
    }
    const folders = await existing(root, codeFolders);
    let failed = 0;
    for (const result of await folderCoverage(await Deno.readTextFile(output), root, folders)) {
      const share = result.lines === 0 ? 1 : result.covered / result.lines;
      const enough = share >= requiredCoverage;
      if (!enough) failed++;
      log(
        `${result.folder.padEnd(8)} ${(share * 100).toFixed(1).padStart(5)} % of ${result.lines} lines` +
          (enough ? "" : `, wanted ${requiredCoverage * 100} %`),
      );
      for (const path of result.neverLoaded) log(`         never loaded by a test: ${path}`);
    }
    if (folders.length < codeFolders.length) return noCounts;
    return { passed: folders.length - failed, failed, skipped: 0 };
  },
};

async function existing(root: string, paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    if (await Deno.stat(`${root}/${path}`).then(() => true, () => false)) found.push(path);
  }
  return found;
}

/** Whether a path is a test module or a folder with one below it. */
async function holdsTests(path: string): Promise<boolean> {
  if (!(await Deno.stat(path)).isDirectory) return path.endsWith("_test.ts");
  for await (const { name } of Deno.readDir(path)) if (await holdsTests(`${path}/${name}`)) return true;
  return false;
}
