import type { RunDetail, RunKind } from "../api.ts";

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
  readonly group: "Learning" | "Optimisation" | "Speed";
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
export interface ChartFacts extends Pick<RunDetail, "baselines" | "classes"> {
  readonly kind: RunKind;
  /** Gradient norm above which gradients are scaled down. */
  readonly clipNorm: number | null;
  readonly peakFlopPerSecond: number | null;
}

/** Takes what the charts depend on from everything known about a run. */
export function chartFacts({ info, config, peakFlopPerSecond, baselines, classes }: RunDetail): ChartFacts {
  const clipNorm = typeof config.clipNorm === "number" ? config.clipNorm : null;
  return { kind: info.kind, clipNorm, peakFlopPerSecond, baselines, classes };
}

/** Name of the curve of a foreground class. */
export const classMetric = (index: number): string => `pseudoDice.${index}`;

/** The charts of a run, in the order of the page; those without any data are left out by whoever draws them. */
export function chartSpecs(
  { kind, clipNorm, peakFlopPerSecond: peak, baselines, classes }: ChartFacts,
): ChartSpec[] {
  return [
    {
      group: "Learning",
      title: kind === "pretraining" ? "Loss (masked squared error)" : "Loss (Dice and cross-entropy)",
      unit: "",
      curves: [
        { metric: "loss", label: "training step", band: true },
        { metric: "trainLoss", label: "training epoch" },
        { metric: "valLoss", label: "validation" },
      ],
      references: baselines === null ? [] : [
        { label: "best constant", value: baselines.constant },
        { label: "nearest visible voxel", value: baselines.nearest },
      ],
    },
    {
      group: "Learning",
      title: "Pseudo Dice",
      unit: "",
      curves: [
        { metric: "meanDice", label: "mean" },
        { metric: "emaDice", label: "moving average" },
        ...classes.map((label, index) => ({ metric: classMetric(index), label })),
      ],
    },
    one("Optimisation", "Learning rate", "", { metric: "lr", label: "learning rate" }),
    {
      ...one("Optimisation", "Gradient norm", "", {
        metric: "gradNorm",
        label: "before clipping",
        band: true,
      }),
      log: true,
      references: clipNorm === null ? [] : [{ label: "clipped above", value: clipNorm }],
    },
    { ...one("Optimisation", "Loss scale", "", { metric: "lossScale", label: "loss scale" }), log: true },
    one("Optimisation", "Skipped steps", "%", { metric: "skipped", label: "share of steps" }),
    one("Optimisation", "Mask ratio", "%", { metric: "maskRatio", label: "hidden voxels", band: true }),
    one("Speed", "Steps", "steps/s", { metric: "stepMs", label: "steps", map: (ms) => 1000 / ms }),
    one("Speed", "Voxels", "voxels/s", { metric: "voxelsPerSecond", label: "voxels of patches" }),
    one("Speed", "Arithmetic", "FLOP/s", { metric: "flopPerSecond", label: "arithmetic of the plan" }),
    ...peak === null ? [] : [
      one("Speed", "Share of peak", "%", {
        metric: "flopPerSecond",
        label: "of the adapter's measured peak",
        map: (flop) => flop / peak,
      }),
    ],
    {
      group: "Speed",
      title: "Time per phase",
      unit: "ms",
      log: true,
      curves: [
        { metric: "stepMs", label: "step" },
        { metric: "dataWaitMs", label: "waiting for data", band: true },
        { metric: "validationMs", label: "validation" },
        { metric: "checkpointMs", label: "checkpoint" },
      ],
    },
    one("Speed", "Queue depth", "patches", { metric: "queueDepth", label: "patches ready", band: true }),
  ];
}

function one(group: ChartSpec["group"], title: string, unit: string, curve: CurveSpec): ChartSpec {
  return { group, title, unit, curves: [curve] };
}

/** One chart for each curve of `specs`, to lay the curves of several runs over each other. */
export function comparedSpecs(specs: readonly ChartSpec[]): ChartSpec[] {
  return specs.flatMap((spec) =>
    spec.curves.map((curve) => ({
      ...spec,
      title: spec.curves.length === 1 ? spec.title : `${spec.title.replace(/ \(.*/, "")}, ${curve.label}`,
      curves: [curve],
    }))
  );
}
