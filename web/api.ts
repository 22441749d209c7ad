/**
 * What the dashboard's server and its pages tell each other. Types only, so that islands can import them.
 *
 * `run` is a run's id: its folder relative to the dashboard's root, "/"-separated, "~N/PATH" below another root and
 * "~N" where it is root N itself (see `resolveRun`). Steps count completed optimizer steps, metrics are stored under the step they belong to, counted from 0. Times are
 * milliseconds since 1970, spans seconds.
 */
import type { StoredEvent } from "../train/run_log.ts";

export type { StoredEvent };

/** What a run trains. */
export type RunKind = "pretraining" | "finetuning";

/**
 * How a run does: `starting` before its first step, `stale` when an unfinished run has been silent for much longer than
 * usual, `unreadable` when its files are damaged (`message` says how).
 */
export type RunState = "running" | "stale" | "stopped" | "failed" | "finished" | "starting" | "unreadable";

/** One line of the run list; null where the run has not told yet. */
export interface RunInfo {
  readonly id: string;
  readonly kind: RunKind;
  readonly state: RunState;
  /** Completed steps. */
  readonly step: number;
  readonly steps: number | null;
  /** Completed epochs. */
  readonly epoch: number;
  readonly epochs: number | null;
  /** Newest training loss. */
  readonly loss: number | null;
  /** Newest validation loss. */
  readonly valLoss: number | null;
  /** Newest mean pseudo Dice of a fine-tuning. */
  readonly meanDice: number | null;
  /** Over the last read-backs, pauses for validation among them. */
  readonly stepsPerSecond: number | null;
  /** Seconds to the last step, of a running run. */
  readonly etaSeconds: number | null;
  readonly adapter: string | null;
  readonly seed: number | null;
  readonly started: number | null;
  /** When the run last wrote its log. */
  readonly lastSeen: number | null;
  /** Why it failed, stopped or cannot be read. */
  readonly message: string | null;
}

/** A report of a study or an evaluation below the root. */
export interface ReportLink {
  /** Folder relative to the root, "/"-separated. */
  readonly id: string;
  readonly title: string;
  /** Address of the page, with the pictures beside it. */
  readonly url: string;
}

/** GET /api/runs */
export interface RunsResponse {
  /** Newest first. */
  readonly runs: readonly RunInfo[];
  readonly reports: readonly ReportLink[];
  /** What the search left out, null when nothing. */
  readonly message: string | null;
}

/** One metric, down-sampled: column arrays of equal length in order of step; null where every value of the bucket is NaN. */
export interface Series {
  readonly name: string;
  /** Last step of each bucket. */
  readonly step: readonly number[];
  readonly mean: readonly (number | null)[];
  readonly lowest: readonly (number | null)[];
  readonly highest: readonly (number | null)[];
  /** Seconds of training when the step was done, over all starts of the run; null before the first reading. */
  readonly seconds: readonly (number | null)[];
}

/** GET /api/series */
export interface SeriesResponse {
  readonly run: string;
  readonly series: readonly Series[];
}

/** GET /api/events */
export interface EventsResponse {
  readonly run: string;
  /** In order; at most the newest 500 after `after`. */
  readonly events: readonly StoredEvent[];
}

/** A note that somebody left in a run. */
export interface Note {
  readonly time: number;
  readonly text: string;
}

/** One fold of a cross-validation: a fine-tuning whose configuration differs from the others' in the fold only. */
export interface FoldRow {
  readonly run: string;
  readonly fold: number | string;
  readonly state: RunState;
  /** Newest values. */
  readonly meanDice: number | null;
  readonly emaDice: number | null;
  /** Per class, null where no voxel has or gets the class. */
  readonly pseudoDice: readonly (number | null)[];
}

/** GET /api/run: everything about a run that is no curve. */
export interface RunDetail {
  readonly info: RunInfo;
  /** Configuration as the run stores it, empty when it cannot be read. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What else run.json says: store, adapter facts, versions, platform. */
  readonly environment: Readonly<Record<string, unknown>>;
  /** Text of plan.txt, cut at 64 KiB; null before it is written. */
  readonly plan: string | null;
  /** Whether plan.json, the memory plan as data, is there. */
  readonly memoryPlan: boolean;
  readonly summary: Readonly<Record<string, unknown>> | null;
  /** Names of all metrics, sorted. */
  readonly metrics: readonly string[];
  /** The newest 500 events. */
  readonly events: readonly StoredEvent[];
  /** Warnings and failures, newest last, at most 200. */
  readonly warnings: readonly { readonly time: number; readonly step: number; readonly message: string }[];
  /** Volumes that could not be used. */
  readonly rejected: readonly { readonly file: string; readonly reason: string }[];
  /** Masked squared errors of the trivial predictors of a pre-training. */
  readonly baselines: { readonly constant: number; readonly nearest: number } | null;
  /** Every validation of a fine-tuning, in order of step. */
  readonly segmentations: readonly {
    readonly step: number;
    readonly epoch: number;
    readonly pseudoDice: readonly (number | null)[];
    readonly meanDice: number | null;
    readonly emaDice: number | null;
  }[];
  /** Names of the foreground classes, in the order of `pseudoDice`; empty for a pre-training. */
  readonly classes: readonly string[];
  /** This run and its siblings, in order of fold; empty when it is the only fold. */
  readonly folds: readonly FoldRow[];
  /** Measured peak of the adapter, to compare the metric `flopPerSecond` with; null where nobody measured it. */
  readonly peakFlopPerSecond: number | null;
  /** Whether the run takes requests now and the dashboard may pass them on. */
  readonly takesRequests: boolean;
  readonly notes: readonly Note[];
  readonly reports: readonly ReportLink[];
  /** Stored pictures, for example "pictures/step_00000500.png", in order of step. */
  readonly pictures: readonly string[];
}

/** GET /api/slices */
export interface SliceIndex {
  readonly run: string;
  /** File of the originals and masks, null before the first validation. */
  readonly reference: string | null;
  /** Reconstructions in order of step; `file` is relative to the run, for /api/slices/file. */
  readonly steps: readonly { readonly step: number; readonly file: string }[];
}

/** A volume that the browser can open. */
export interface VolumeEntry {
  /** Path relative to the run. */
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
  /** Address of its bytes. */
  readonly url: string;
  /** Address of the image that a label map belongs to, null where it is not below the roots. */
  readonly image: string | null;
}

/** GET /api/volumes */
export interface VolumesResponse {
  readonly run: string;
  readonly volumes: readonly VolumeEntry[];
  /** Names of the foreground classes, in order of label from 1. */
  readonly classes: readonly string[];
}

/** One setting that differs between runs; text as in the configuration file, null where a run has no such key. */
export interface ConfigDifference {
  /** Path of the setting, for example "optimizer.lr". */
  readonly path: string;
  /** One value a run, in the order asked for. */
  readonly values: readonly (string | null)[];
}

/** GET /api/compare?run=A&run=B */
export interface CompareResponse {
  readonly runs: readonly RunInfo[];
  readonly differences: readonly ConfigDifference[];
  /** Metrics of any of the runs, sorted. */
  readonly metrics: readonly string[];
  readonly stepsPerEpoch: readonly (number | null)[];
}

/**
 * One message of GET /api/live, as the data of an SSE event of the same type.
 *
 * `hello` comes first and after every reconnection: fetch the curves stored now, then append what follows; a point at or before the
 * last known step of its metric is a repetition. State, notes and newest events (or, without a run, the list of runs) come right after
 * it; an event with a known id is a repetition. Later the list comes again when runs appear or vanish, else an `info` a changed run. `reset`: the run's log was cut or replaced, fetch everything again.
 */
export type LiveMessage =
  | { readonly type: "hello"; readonly runs: readonly string[] }
  | { readonly type: "runs"; readonly runs: readonly RunInfo[] }
  | { readonly type: "info"; readonly run: string; readonly info: RunInfo }
  | { readonly type: "series"; readonly run: string; readonly series: readonly Series[] }
  | { readonly type: "events"; readonly run: string; readonly events: readonly StoredEvent[] }
  | { readonly type: "notes"; readonly run: string; readonly notes: readonly Note[] }
  | { readonly type: "reset"; readonly run: string };

/** Body of POST /api/control. */
export interface ControlRequest {
  readonly run: string;
  readonly action: "stop" | "checkpoint" | "note";
  /** Of a note: 1 to 2000 characters. */
  readonly text?: string;
}

/** Answer to POST /api/control. */
export interface ControlResponse {
  /** What happens now, for people. */
  readonly message: string;
}

/** Body of every answer with a status of 400 and above. */
export interface ApiError {
  readonly error: string;
}
