import { CliError, UsageError } from "./errors.ts";
import { exists, join, readJson } from "./paths.ts";
import { runFiles, writeRunInputs } from "./run_folder.ts";
import type { FinetuneConfig } from "../train/finetune/config.ts";

/** A fold of the cross-validation, or every case. */
export type Fold = FinetuneConfig["fold"];

/** What fine-tuning was started with, beside its configuration and plans; `inputs.json` in the run folder. */
export interface FinetuneInputs {
  /** Folder of the data set. */
  readonly dataset: string;
  /** Folder of its fingerprint, plans, folds and stores. */
  readonly prepared: string;
  /** The prepared cases. */
  readonly store: string;
  /** Checkpoint whose weights the runs start from, null for random weights. */
  readonly from: string | null;
  readonly transferDecoder: boolean;
  readonly folds: readonly Fold[];
  /** Whether the validation cases are segmented whole after training. */
  readonly validate: boolean;
  readonly spark3d: string;
}

/** Name of the plans in a run folder. */
export const PLANS_FILE = "plans.json";

/** Parser of `--fold`: a number, several (`0,1,2`), or `all`. */
export function foldList(text: string): readonly Fold[] {
  const folds = text.split(",").map((part): Fold => part === "all" ? "all" : Number(part));
  const wrong = folds.some((fold) => fold !== "all" && !(Number.isSafeInteger(fold) && fold >= 0)) ||
    text.split(",").some((part) => part.trim() === "") || new Set(folds).size < folds.length;
  if (wrong) {
    throw new UsageError(`Cannot use --fold ${text}: expected a fold from 0, several such as 0,1,2, or all`);
  }
  return folds;
}

/** Folder of a fold: the run folder itself where there is one fold, else a folder in it. */
export function foldFolder(out: string, fold: Fold, folds: readonly Fold[]): string {
  return folds.length === 1 ? out : join(out, `fold_${fold}`);
}

/** Stores what fine-tuning is started with. */
export function writeFinetuneInputs(
  out: string,
  config: FinetuneConfig,
  inputs: FinetuneInputs,
): Promise<void> {
  return writeRunInputs(out, config, inputs);
}

/** Reads what fine-tuning was started with. @throws {CliError} when the folder is that of another kind of run */
export async function readFinetuneInputs(
  out: string,
): Promise<{ readonly config: unknown; readonly inputs: FinetuneInputs }> {
  const path = join(out, runFiles.inputs);
  const inputs = await readJson(path) as Partial<FinetuneInputs> | null;
  if (typeof inputs?.dataset !== "string" || !await exists(join(out, PLANS_FILE))) {
    throw new CliError(
      `Cannot resume ${out}: it is no run of spark3d finetune: name one, or use spark3d pretrain --resume`,
    );
  }
  return { config: await readJson(join(out, runFiles.config)), inputs: inputs as FinetuneInputs };
}
