import type { RunDetail } from "../api.ts";

/** A line of a chart. */
export interface CurveSpec {
  /** Stored metric, or `pseudoDice.0` and so on for the classes of a fine-tuning. */
  readonly metric: string;
  readonly label: string;
  /** Whether the range of the values behind each point is shaded. */
  readonly band?: boolean;
  /** Drawn value of a stored one. */
  readonly map?: (value: number) => number;
}

/** A chart of the run page. */
export interface ChartSpec {
  readonly id: string;
  readonly title: string;
  /** Unit of the vertical axis, empty for a pure number; "%" is drawn from shares of 1. */
  readonly unit: string;
  /** Whether the vertical axis starts logarithmic. */
  readonly log?: boolean;
  readonly curves: readonly CurveSpec[];
  /** Horizontal lines to compare with. */
  readonly references?: readonly { readonly label: string; readonly value: number }[];
}

/** What the charts of a run depend on. */
export type ChartFacts = Pick<RunDetail, "config" | "peakFlopPerSecond" | "baselines" | "classes"> & {
  readonly kind: RunDetail["info"]["kind"];
};

/** Name of the curve of a foreground class. */
export const classMetric = (index: number): string => `pseudoDice.${index}`;

/** The charts of a run, in the order of the page; those without any data are left out by whoever draws them. */
export function chartSpecs({ kind, config, peakFlopPerSecond, baselines, classes }: ChartFacts): ChartSpec[] {
  const peak = peakFlopPerSecond;
  const clipNorm = typeof config.clipNorm === "number" ? config.clipNorm : null;
  const references = baselines
    ? [{ label: "best constant", value: baselines.constant }, {
      label: "nearest visible voxel",
      value: baselines.nearest,
    }]
    : [];
  const chart = (id: string, title: string, unit: string, curves: ChartSpec["curves"]): ChartSpec => (
    { id, title, unit, curves }
  );
  return [
    {
      ...chart("loss", kind === "pretraining" ? "Masked squared error" : "Dice + cross-entropy loss", "", [
        { metric: "loss", label: "training step", band: true },
        { metric: "trainLoss", label: "training epoch" },
        { metric: "valLoss", label: "validation" },
      ]),
      references,
    },
    chart("dice", "Pseudo Dice", "", [
      { metric: "meanDice", label: "mean" },
      { metric: "emaDice", label: "moving average" },
      ...classes.map((label, index) => ({ metric: classMetric(index), label })),
    ]),
    chart("lr", "Learning rate", "", [{ metric: "lr", label: "learning rate" }]),
    {
      ...chart("gradient", "Gradient norm", "", [{
        metric: "gradNorm",
        label: "before clipping",
        band: true,
      }]),
      log: true,
      references: clipNorm === null ? [] : [{ label: "clipped above", value: clipNorm }],
    },
    { ...chart("scale", "Loss scale", "", [{ metric: "lossScale", label: "loss scale" }]), log: true },
    chart("skipped", "Skipped steps", "%", [{ metric: "skipped", label: "share of steps" }]),
    chart("mask", "Mask ratio", "%", [{ metric: "maskRatio", label: "hidden voxels", band: true }]),
    chart("steps", "Steps", "steps/s", [{ metric: "stepMs", label: "steps", map: (ms) => 1000 / ms }]),
    chart("voxels", "Voxels", "voxels/s", [{ metric: "voxelsPerSecond", label: "voxels of patches" }]),
    chart("flop", "Arithmetic", "FLOP/s", [{ metric: "flopPerSecond", label: "of the plan" }]),
    ...(peak === null ? [] : [chart("peak", "Share of the adapter's peak", "%", [
      { metric: "flopPerSecond", label: "of the measured peak", map: (flop) => flop / peak },
    ])]),
    {
      ...chart("phases", "Time per phase", "ms", [
        { metric: "stepMs", label: "step" },
        { metric: "dataWaitMs", label: "waiting for data", band: true },
        { metric: "validationMs", label: "validation" },
        { metric: "checkpointMs", label: "checkpoint" },
      ]),
      log: true,
    },
    chart("queue", "Queue depth", "patches", [{ metric: "queueDepth", label: "patches ready", band: true }]),
  ];
}
