import { writeJsonAtomic } from "../data/atomic.ts";
import type { TrainEvent } from "../train/events.ts";
import { CliError, UsageError } from "./errors.ts";
import { exists, join, listFolder, makeWritableFolder, readJson, timeName } from "./paths.ts";

/** Where runs go when nobody names a folder. */
export const runsFolder = "runs";

/** What a run was started with, beside its configuration; stored as `inputs.json` in the run folder. */
export interface RunInputs {
  /** the folder of volumes, null for the generated demo cohort */
  readonly data: string | null;
  /** the prepared store */
  readonly store: string;
  readonly spark3d: string;
}

/** Names of the files that the command line keeps in a run folder. */
export const runFiles = { config: "config.json", inputs: "inputs.json", store: "store" } as const;

/** Makes the folder of a new run; refuses one that holds anything. */
export async function makeRunFolder(out: string | undefined): Promise<string> {
  const path = out ?? join(runsFolder, timeName(new Date()));
  const found = await listFolder(path);
  if (found.length > 0) {
    const remedy = found.includes(runFiles.config)
      ? `go on with --resume ${path}, or name another folder with --out`
      : "name an empty or new folder with --out";
    throw new CliError(
      `Cannot start a run in ${path}: it holds ${found.length} files, expected none: ${remedy}`,
    );
  }
  await makeWritableFolder(path);
  return path;
}

/** Whether a folder is a finished store of prepared volumes. */
export function isStore(path: string): Promise<boolean> {
  return exists(join(path, "store.json"));
}

/** Takes back a run that never began: what the command line wrote, and the folder when nothing else is in it. */
export async function removeRunFolder(path: string): Promise<void> {
  for (const name of [runFiles.config, runFiles.inputs]) await Deno.remove(join(path, name)).catch(() => {});
  await Deno.remove(join(path, runFiles.store), { recursive: true }).catch(() => {});
  await Deno.remove(path).catch(() => {}); // fails when something else is in it, which then stays
}

/** Finds the run to go on with: the named folder, else `--out`, else the newest in `runs/`. */
export async function findRunFolder(resume: string | true, out: string | undefined): Promise<string> {
  if (resume !== true && out !== undefined && resume !== out) {
    throw new UsageError(`--resume ${resume} and --out ${out} name two folders: give one of them`);
  }
  const path = resume !== true ? resume : out ?? await newestRun();
  if (!await exists(join(path, runFiles.config))) {
    throw new CliError(
      `Cannot resume ${path}: it has no ${runFiles.config}, so it is no run folder: check the path, or start a new run`,
    );
  }
  return path;
}

async function newestRun(): Promise<string> {
  let newest: { path: string; time: number } | null = null;
  for (const name of await listFolder(runsFolder)) {
    const config = join(runsFolder, name, runFiles.config);
    if (!await exists(config)) continue;
    const time = (await Deno.stat(config)).mtime?.getTime() ?? 0;
    if (newest === null || time > newest.time) newest = { path: join(runsFolder, name), time };
  }
  if (newest === null) {
    throw new CliError(`Cannot resume: ${runsFolder}/ holds no run: name the folder with --resume DIR`);
  }
  return newest.path;
}

/** Stores what a run is started with. */
export async function writeRunInputs(folder: string, config: unknown, inputs: object): Promise<void> {
  await writeJsonAtomic(join(folder, runFiles.config), config);
  await writeJsonAtomic(join(folder, runFiles.inputs), inputs);
}

/**
 * Stores changed settings of a run once training with them has begun: from then on it goes on with them. Disposing waits for the
 * writing.
 *
 * @param config null when nothing was changed
 */
export function configKeeper(
  folder: string,
  config: object | null,
): { onEvent(event: TrainEvent): void } & AsyncDisposable {
  let writing = Promise.resolve();
  return {
    onEvent: ({ type }) => {
      if (type !== "started" || config === null) return;
      writing = writeJsonAtomic(join(folder, runFiles.config), config);
      writing.catch(() => {}); // told on disposing
    },
    [Symbol.asyncDispose]: () => writing,
  };
}

/** Reads what a run was started with. */
export async function readRunInputs(folder: string): Promise<{ config: unknown; inputs: RunInputs }> {
  const path = join(folder, runFiles.inputs);
  const inputs = await readJson(path) as Partial<RunInputs> | null;
  if (typeof inputs?.store !== "string") {
    throw new CliError(`Cannot read ${path}: expected the key "store": the file is damaged, start a new run`);
  }
  return {
    config: await readJson(join(folder, runFiles.config)),
    inputs: { data: inputs.data ?? null, store: inputs.store, spark3d: inputs.spark3d ?? "unknown" },
  };
}
