import { type RunPaths, runPaths } from "../run_folder.ts";

/** Paths inside the run folder of a fine-tuning run. */
export interface FinetunePaths extends RunPaths {
  /** Plans and dataset.json that the run was made with. */
  readonly plans: string;
  readonly dataset: string;
  /** What became of every tensor, where weights were transferred. */
  readonly transfer: string;
  /** Segmentations of the whole validation cases, and their evaluation. */
  readonly validation: string;
  readonly validationSummary: string;
}

/** Paths of the run folder `out`. */
export function finetunePaths(out: string): FinetunePaths {
  const at = (name: string) => `${out.replace(/\/+$/, "")}/${name}`;
  return {
    ...runPaths(out),
    plans: at("plans.json"),
    dataset: at("dataset.json"),
    transfer: at("transfer.json"),
    validation: at("validation"),
    validationSummary: at("validation/summary.json"),
  };
}

/** How fine-tuning ended and what it reached; Dice coefficients between 0 and 1. */
export interface FinetuneSummary {
  readonly state: "finished" | "stopped";
  readonly steps: number;
  readonly plannedSteps: number;
  /** Wall time of this process, without preparing data. */
  readonly seconds: number;
  readonly fold: number | "all";
  /** Mean training loss of the last whole epoch. */
  readonly trainLoss: number | null;
  /** Mean loss of the last validation. */
  readonly valLoss: number | null;
  /** Pseudo Dice of each foreground class in the last validation, null where no voxel has or gets the class. */
  readonly pseudoDice: readonly (number | null)[] | null;
  readonly meanDice: number | null;
  /** Exponential average of `meanDice`, 0.9 of the old value and 0.1 of the new one. */
  readonly emaDice: number | null;
  readonly bestEmaDice: number | null;
  readonly skippedSteps: number;
  readonly parameters: number;
  /** Number of tensors by what became of them; null for training from scratch. */
  readonly transfer:
    | { readonly transferred: number; readonly adapted: number; readonly fresh: number }
    | null;
  readonly peakGpuBytes: number;
  readonly adapter: string;
  readonly seed: number;
  readonly cases: { readonly train: number; readonly val: number };
}
