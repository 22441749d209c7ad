import { DataError } from "../../errors.ts";

/** A program that reads one image with an optional module. */
export interface Converter {
  /** The program, beside this file. */
  readonly script: string;
  /** Module that it imports, passed as its first argument. */
  readonly module: string;
  /** Folder that it may write to. */
  readonly write?: string;
  /** What it says on stderr when an image is damaged although it reports success. */
  readonly damage?: RegExp;
}

/** Exit codes of converters: the module cannot be loaded; the image cannot be read (the reason is on stderr). */
export const EXIT_NO_MODULE = 3, EXIT_NOT_READ = 4;

/** No image takes longer; a reader that does is stuck. */
const TIME_LIMIT_MS = 600_000;

/** Converters that run at a time on behalf of a thread: each takes 0.1 GiB and more. */
const MAX_RUNNING = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** Runs `job` when fewer than `MAX_RUNNING` others do. */
async function inTurn<T>(job: () => Promise<T>): Promise<T> {
  while (running >= MAX_RUNNING) await new Promise<void>((resolve) => waiting.push(resolve));
  running++;
  try {
    return await job();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

/**
 * Runs a converter on an image and returns what it wrote to stdout.
 *
 * @throws {DataError} when the module cannot be loaded, or the image cannot be read in ten minutes
 */
export function runConverter(
  converter: Converter,
  path: string,
  args: readonly string[] = [],
): Promise<Uint8Array<ArrayBuffer>> {
  return inTurn(() => convert(converter, path, args));
}

async function convert(
  { script, module, write, damage }: Converter,
  path: string,
  args: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIME_LIMIT_MS);
  const permissions = [
    "--allow-read",
    "--allow-env",
    "--allow-sys",
    ...(write ? [`--allow-write=${write}`] : []),
  ];
  const flags = ["--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-check", ...permissions];
  const program = new URL(script, import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, program, module, path, ...args],
    stdin: "null",
    env: { NO_COLOR: "1" },
    signal: abort.signal,
  }).output().finally(() => clearTimeout(timer));
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  const damaged = lines.find((line) => damage?.test(line));
  if (code === 0 && !damaged) return stdout as Uint8Array<ArrayBuffer>;
  const said = damaged?.trim() ?? (lines.at(-1) || `exit code ${code}`);
  if (code === EXIT_NO_MODULE) {
    throw new DataError({
      file: path,
      found: `no optional module ${module} (${said})`,
      wanted: "the module that reads this format",
      remedy:
        `run "deno cache --no-lock ${module}" with a connection to npm, or convert the image to .nii.gz`,
    });
  }
  throw new DataError({
    file: path,
    found: abort.signal.aborted
      ? `a reader that is not done after ${TIME_LIMIT_MS / 1000} s`
      : `what ${module} cannot read (${said})`,
    wanted: "a readable image",
    remedy: "export it again, or convert it to .nii.gz",
  });
}
