import manifest from "../deno.json" with { type: "json" };
import { makeFolder, writeJsonAtomic } from "../data/atomic.ts";
import { DataError } from "../data/errors.ts";
import { tryLockFolder } from "../data/folder_lock.ts";
import type { RejectedImage } from "../data/store_index.ts";
import type { DeviceFacts } from "../kernels/spec.ts";

/** Paths inside a run folder. */
export interface RunPaths {
  readonly record: string;
  readonly log: string;
  readonly plan: string;
  /** The compiled plan's memory, as JSON: `MemoryPlan` of memory_plan.ts. */
  readonly memoryPlan: string;
  readonly summary: string;
  readonly checkpoints: string;
  readonly latest: string;
  readonly best: string;
  readonly final: string;
  /** The newest picture. */
  readonly picture: string;
  readonly pictures: string;
  /** The picture drawn after a step. */
  pictureAt(step: number): string;
  readonly slices: string;
  /** Slices of the fixed validation patches, and what the network made of them after a step. */
  readonly sliceReference: string;
  slicesAt(step: number): string;
  /** Requests to a run that was started to take them; the folder is there while such a run trains. */
  readonly control: string;
  /** Remarks of people who watch the run: a line of JSON each, {@linkcode RunNote}. */
  readonly notes: string;
}

/** A line of notes.jsonl; `time` in milliseconds since 1970. */
export interface RunNote {
  readonly time: number;
  readonly text: string;
}

/** Paths of the run folder `out`. */
export function runPaths(out: string): RunPaths {
  const at = (name: string) => `${out.replace(/\/+$/, "")}/${name}`;
  const stepName = (step: number) => `step_${String(step).padStart(8, "0")}`;
  return {
    record: at("run.json"),
    log: at("run.sqlite"),
    plan: at("plan.txt"),
    memoryPlan: at("plan.json"),
    summary: at("summary.json"),
    checkpoints: at("checkpoints"),
    latest: at("checkpoints/latest.safetensors"),
    best: at("checkpoints/best.safetensors"),
    final: at("checkpoints/final.safetensors"),
    picture: at("reconstruction.png"),
    pictures: at("pictures"),
    pictureAt: (step) => at(`pictures/${stepName(step)}.png`),
    slices: at("slices"),
    sliceReference: at("slices/reference.safetensors"),
    slicesAt: (step) => at(`slices/${stepName(step)}.safetensors`),
    control: at("control"),
    notes: at("notes.jsonl"),
  };
}

/** How a run ended and what it reached; losses are masked squared errors in z-score units. */
export interface RunSummary {
  readonly state: "finished" | "stopped";
  readonly steps: number;
  readonly plannedSteps: number;
  /** Wall time of this process, without preparing data. */
  readonly seconds: number;
  /** Last validation, null before the first one. */
  readonly valLoss: number | null;
  /** Error of the best constant on the same patches and masks. */
  readonly valLossConstant: number;
  /** Error of copying the nearest visible voxel on the same patches and masks. */
  readonly valLossNearest: number;
  readonly valLossToConstant: number | null;
  readonly valLossToNearest: number | null;
  readonly bestValLoss: number | null;
  /** Mean training loss of the last whole epoch. */
  readonly trainLoss: number | null;
  readonly skippedSteps: number;
  readonly parameters: number;
  readonly peakGpuBytes: number;
  readonly adapter: string;
  readonly seed: number;
  readonly data: {
    readonly volumes: number;
    readonly trainSubjects: number;
    readonly valSubjects: number;
    readonly rejected: readonly RejectedImage[];
  };
}

/**
 * Writes run.json: everything needed to repeat the run.
 *
 * @param inputs configuration and data of the run
 * @throws {DataError} when the folder is not writable
 */
export async function writeRunRecord(
  out: string,
  inputs: { readonly config: { readonly seed: number }; readonly store: string },
  facts: DeviceFacts,
): Promise<void> {
  const { config, ...rest } = inputs;
  await writeJsonAtomic(runPaths(out).record, {
    format: "spark3d-run-1",
    config,
    seed: config.seed,
    ...rest,
    adapter: facts,
    versions: { spark3d: manifest.version, ...Deno.version },
    platform: `${Deno.build.os} ${Deno.build.arch}`,
  });
}

/**
 * Summary of a run that has done its `steps`, null where there is something left to do.
 * @throws {SyntaxError} when summary.json is damaged
 */
export async function finishedSummary<S extends { readonly state: string; readonly steps: number }>(
  out: string,
  steps: number,
): Promise<S | null> {
  const { latest, final, summary } = runPaths(out);
  const exists = (path: string) => Deno.stat(path).then(() => true, () => false);
  if (await exists(latest) || !await exists(final) || !await exists(summary)) return null;
  const found: S = JSON.parse(await Deno.readTextFile(summary));
  return found.state === "finished" && found.steps === steps ? found : null;
}

/**
 * Keeps other processes from training in a run folder until disposed.
 *
 * @throws {DataError} when one does, or the folder cannot be written
 */
export async function holdRunFolder(out: string): Promise<Disposable> {
  await makeFolder(out);
  const held = await tryLockFolder(out);
  if (held !== null) return held;
  throw new DataError({
    file: out,
    action: "train in",
    found: "another process that trains there",
    wanted: "a run of its own",
    remedy: "wait until it ends, or stop it",
  });
}

/** Removes half-written files that a killed process left behind. */
export async function removeLeftovers(out: string): Promise<void> {
  const { checkpoints, pictures, slices } = runPaths(out);
  for (const folder of [out, checkpoints, pictures, slices]) {
    await removeFiles(folder, (name) => name.endsWith(".tmp"));
  }
}

/** Removes the files of later steps from a folder of a run: those that an interrupted run made after its checkpoint. */
export async function removeLaterSteps(folder: string, completedSteps: number): Promise<void> {
  await removeFiles(folder, (name) => Number(/^step_(\d+)\./.exec(name)?.[1] ?? -1) > completedSteps);
}

/** Removes a file where there is one. */
export async function removeFile(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function removeFiles(folder: string, chosen: (name: string) => boolean): Promise<void> {
  try {
    for await (const { isFile, name } of Deno.readDir(folder)) {
      if (isFile && chosen(name)) await Deno.remove(`${folder}/${name}`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
