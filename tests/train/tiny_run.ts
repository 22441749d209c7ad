/** Runs that take a second or two: a tiny network, small patches, a handful of small volumes. */
import type { LoadedPatch } from "../../data/load_sample.ts";
import { writePhantomCohort } from "../../data/phantom/cohort.ts";
import { prepareDataset } from "../../data/prepare/prepare_dataset.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import type { PretrainPlan } from "../../train/adaptation_plan.ts";
import type { RunConfig } from "../../train/config.ts";
import type { StopReason, TrainEvent } from "../../train/events.ts";
import { runTraining } from "../../train/loop.ts";
import type { JsonObject } from "../../train/merge_config.ts";
import { mergeConfig } from "../../train/merge_config.ts";
import { resolveRunConfig } from "../../train/resolve_config.ts";
import type { RunSummary } from "../../train/run_folder.ts";
import { hashRandom } from "../../data/random.ts";
import { writeSmallDataset } from "../support/small_dataset.ts";

/** A run of two epochs of three steps of a two-stage network on 16^3 patches, without rotation. */
export function tinyConfig(changes: JsonObject = {}): RunConfig {
  const tiny: JsonObject = {
    network: { preset: "tiny", features: [4, 6], blocks: [1, 1] },
    patch: [16, 16, 16],
    mask: { block: 4, ratio: { kind: "uniform", low: 0.6, high: 0.9 } },
    batch: { size: 1, micro: 1 },
    epochs: 2,
    stepsPerEpoch: 3,
    validation: { patches: 2, everyEpochs: 1 },
    checkpointEveryEpochs: 1,
    metricsEvery: 2,
    augmentation: { rotationProbability: 0, scaleProbability: 0, interpolation: "linear" },
    precision: "f32",
    spacing: "noresample",
  };
  const config = resolveRunConfig({ preset: "paper", flags: mergeConfig(tiny, changes) });
  return { ...config, loader: { workers: 0, prefetch: 2 } }; // reads on the calling thread
}

/** The plan of data at 1 mm, axes towards right, anterior and superior. */
export function pretrainPlan(patch: Dims3): PretrainPlan {
  return {
    dataset_name: "Tiny",
    plans_name: "nnsslPlans",
    transpose_forward: [0, 1, 2],
    transpose_backward: [0, 1, 2],
    orientation: "RAS",
    configurations: {
      onemmiso: { normalization_schemes: ["ZScoreNormalization"], spacing: [1, 1, 1], patch_size: patch },
    },
  };
}

/** Prepares small volumes of noise below `folder`; returns the store. */
export async function makeNoiseStore(folder: string, subjects = 3): Promise<string> {
  await writeSmallDataset(`${folder}/bids`, subjects);
  await prepareDataset({ source: `${folder}/bids`, out: `${folder}/store`, configuration: "noresample" });
  return `${folder}/store`;
}

/** Prepares generated heads of coarse voxels below `folder`: something to learn. Returns the store. */
export async function makeHeadStore(folder: string, subjects = 2): Promise<string> {
  await writePhantomCohort({ out: `${folder}/heads`, subjects, seed: 3, spacing: [6, 6, 6] });
  await prepareDataset({ source: `${folder}/heads`, out: `${folder}/store`, configuration: "noresample" });
  return `${folder}/store`;
}

/** What a run returned or threw, and every event. */
export interface TinyRun {
  readonly summary: RunSummary;
  readonly events: readonly TrainEvent[];
}

/** Options of {@link runTiny}. */
export interface TinyRunOptions {
  readonly resume?: boolean;
  /** Asked before every step; counts from the number of completed steps in this process. */
  readonly stopAfter?: number;
  readonly reason?: StopReason;
  readonly events?: TrainEvent[];
}

/** Trains on the calling thread. */
export async function runTiny(
  store: string,
  out: string,
  config: RunConfig,
  options: TinyRunOptions = {},
): Promise<TinyRun> {
  const events = options.events ?? [];
  let asked = 0;
  const summary = await runTraining({
    config,
    store,
    out,
    resume: options.resume ?? false,
    adapter: "auto",
    emit: (event) => void events.push(event),
    stopReason: () =>
      options.stopAfter !== undefined && asked++ >= options.stopAfter ? options.reason ?? "SIGTERM" : null,
  });
  return { summary, events };
}

/** A patch of smooth waves and noise, as a loader would hand it out. */
export function wavePatch(config: RunConfig, step: number, sampleIndex = 0): LoadedPatch {
  const [d, h, w] = config.patch;
  const random = hashRandom(99, step, sampleIndex);
  const phase = random.uniform() * 6;
  const patch = Float32Array.from({ length: d * h * w }, (_, i) => {
    const [z, y, x] = [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
    return Math.sin(z / 3 + phase) + Math.cos(y / 4) * Math.sin(x / 2) + 0.1 * random.normal();
  });
  return { step, sampleIndex, caseId: "wave", start: [0, 0, 0], patch };
}

/** Whether two arrays hold the same bytes. */
export function sameBytes(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** Whether a file exists. */
export function fileExists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
