import { fileURLToPath } from "node:url";

/** Absolute path of the repository, without a closing slash. */
export const repositoryRoot: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** What a program left behind. */
export interface Spawned {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** How {@linkcode spawn} runs a program. */
export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** start from an empty environment */
  readonly clearEnv?: boolean;
  /** collect line coverage of this process, when the run as a whole does */
  readonly measured?: boolean;
  /** called with the running process, for example to send it a signal */
  readonly onStart?: (child: Deno.ChildProcess) => void;
}

/** Runs a program to its end and collects its output. */
export async function spawn(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<Spawned> {
  const started = performance.now();
  const coverage = options.measured ? Deno.env.get("SPARK3D_COVERAGE_DIR") : undefined;
  const measure: Record<string, string> = coverage === undefined ? {} : { DENO_COVERAGE_DIR: coverage };
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: options.cwd,
    env: { NO_COLOR: "1", ...measure, ...options.env },
    clearEnv: options.clearEnv,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  options.onStart?.(child);
  const output = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    code: output.code,
    signal: output.signal,
    stdout: decode(output.stdout),
    stderr: decode(output.stderr),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Runs `spark3d ARGS` in a process of its own, without the start script. */
export function spawnSpark3d(args: readonly string[], options: SpawnOptions = {}): Promise<Spawned> {
  const config = `${repositoryRoot}/deno.json`;
  const main = `${repositoryRoot}/cli/main.ts`;
  return spawn(Deno.execPath(), [
    "run",
    "--quiet",
    "--allow-all",
    "--no-check",
    "--config",
    config,
    main,
    ...args,
  ], options);
}

/** A temporary folder that disappears with its variable: `using folder = temporaryFolder()`. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "spark3d_" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
