/** One measured number of a training step; `step` counts from 0, `name` is for example `loss`, `lr` or `gradNorm`. */
export interface MetricRow {
  readonly step: number;
  readonly name: string;
  readonly value: number;
}

/**
 * Metrics that tell of time, and so differ between two runs of the same seed.
 *
 * Every step: `dataWaitMs` that it waited for its patches, `queueDepth`, the patches that were ready when it asked. At a read-back,
 * of the steps since the one before: `seconds` since the start of the process, `stepMs`, the mean time of a step (waiting for data
 * included, validation and checkpoints not), `voxelsPerSecond` of the patches, `flopPerSecond`, the plan's arithmetic over that
 * time. At the end of an epoch `validationMs`; after saving `checkpointMs`, of all checkpoints of that step.
 */
export const TIMING_METRICS: readonly string[] = [
  "seconds",
  "dataWaitMs",
  "queueDepth",
  "stepMs",
  "voxelsPerSecond",
  "flopPerSecond",
  "validationMs",
  "checkpointMs",
];

/** What the compiled plan of one micro-step costs; memory in bytes, `flop` per micro-step. */
export interface PlanSummary {
  readonly dispatches: number;
  readonly pipelines: number;
  readonly slots: number;
  readonly peakBytes: number;
  readonly parameterBytes: number;
  readonly flop: number;
}

/** A masked validation error beside those of the trivial predictors on the same patches and masks. */
export interface ValidationResult {
  readonly valLoss: number;
  readonly valLossConstant: number;
  readonly valLossNearest: number;
}

/** How well a segmentation network does after an epoch; Dice coefficients between 0 and 1. */
export interface SegmentationResult {
  /** Mean loss of the epoch's training steps. */
  readonly trainLoss: number;
  /** Mean loss of the validation steps. */
  readonly valLoss: number;
  /** Dice of each foreground class over all validation patches together; NaN where no voxel has or gets the class. */
  readonly pseudoDice: readonly number[];
  /** Mean of `pseudoDice` without NaN. */
  readonly meanDice: number;
  /** Exponential average of `meanDice`: 0.9 of the old value and 0.1 of the new one. */
  readonly emaDice: number;
}

/** Why a run ended before its last step although nothing went wrong; `request`: `control/stop.json` asked for it. */
export type StopReason = "SIGINT" | "SIGTERM" | "abort" | "deadline" | "request";

/**
 * Everything a training run tells the outside world: the progress bar, the run log and a dashboard read the same events.
 * `step` is the number of completed optimizer steps. Plain data, so events can cross threads and be stored as JSON.
 */
export type TrainEvent =
  | {
    readonly type: "started";
    readonly step: number;
    readonly steps: number;
    readonly epochs: number;
    readonly seed: number;
    readonly adapter: string;
    /** checkpoint the run goes on from, null for a fresh run */
    readonly resumedFrom: string | null;
    /** Arithmetic that the adapter can do, measured earlier by `spark3d bench`; null where nobody measured it. */
    readonly peakFlopPerSecond: number | null;
  }
  | { readonly type: "plan"; readonly phase: string; readonly plan: PlanSummary }
  | { readonly type: "metrics"; readonly step: number; readonly rows: readonly MetricRow[] }
  | ({ readonly type: "validation"; readonly step: number; readonly epoch: number } & ValidationResult)
  | ({ readonly type: "segmentation"; readonly step: number; readonly epoch: number } & SegmentationResult)
  | {
    readonly type: "stage";
    readonly step: number;
    readonly epoch: number;
    readonly name: string;
    /** Tensors that the stage moves, and all there are. */
    readonly trained: number;
    readonly parameters: number;
  }
  | {
    readonly type: "checkpoint";
    readonly step: number;
    readonly kind: "latest" | "best" | "final";
    readonly path: string;
  }
  | {
    readonly type: "picture";
    readonly step: number;
    readonly path: string;
    readonly png?: Uint8Array<ArrayBuffer>;
  }
  /** Slices of the fixed validation patches after a step; `train/slice_format.ts` has the format of the file at `path`. */
  | { readonly type: "slices"; readonly step: number; readonly path: string }
  | { readonly type: "warning"; readonly step: number; readonly message: string }
  | { readonly type: "stopped"; readonly step: number; readonly reason: StopReason }
  | { readonly type: "failed"; readonly step: number; readonly message: string }
  | { readonly type: "finished"; readonly step: number; readonly seconds: number };

/** Receives events; must not throw and must return at once. */
export type TrainEventListener = (event: TrainEvent) => void;

/**
 * JSON text of an event for storage. Pictures leave their bytes out (the file at `path` holds them) and numbers that
 * JSON cannot express become text: `"NaN"`, `"Infinity"`, `"-Infinity"`.
 */
export function eventJson(event: TrainEvent): string {
  return JSON.stringify(event, (key, value) => {
    if (key === "png") return undefined;
    return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  });
}
