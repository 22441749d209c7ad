import type { CheckpointKind } from "../train/checkpoint_file.ts";
import type { FinetunedModel } from "../train/finetune/checkpoint.ts";
import { InvalidArgumentError } from "./deps.ts";
import { CliError } from "./errors.ts";
import { exists, join, listFolder } from "./paths.ts";

/** Folder of a fold's run. */
const FOLD = /^fold_(\d+|all)$/;

/** Parser of folds: `0`, `0,1,2`, `all`. */
export function foldList(text: string): readonly string[] {
  const folds = text.split(",");
  if (!folds.every((fold) => /^\d+$/.test(fold) || fold === "all")) {
    throw new InvalidArgumentError("Expected folds such as 0, 0,1,2 or all.");
  }
  return folds;
}

/**
 * The checkpoints that a path means: a checkpoint, a run folder, or a folder of `fold_0`, `fold_1`, ...
 *
 * @param folds which of several; those with a number when left out, else `fold_all`
 * @throws {CliError} when a fold is not there
 */
export async function findRuns(path: string, folds: readonly string[] | undefined): Promise<string[]> {
  const entries = await exists(path) && (await Deno.stat(path)).isDirectory ? await listFolder(path) : [];
  const found = entries.flatMap((name) => FOLD.exec(name)?.[1] ?? []);
  const numbered = found.filter((name) => name !== "all").sort((a, b) => Number(a) - Number(b));
  const names = [...numbered, ...found.filter((name) => name === "all")];
  if (names.length === 0) {
    if (folds === undefined) return [path];
    throw new CliError(
      `Cannot use fold ${folds[0]} of ${path}: found no folder fold_${
        folds[0]
      }: leave out --fold, or name the folder above`,
    );
  }
  const wanted = folds ?? (numbered.length > 0 ? numbered : names);
  for (const fold of wanted) {
    if (names.includes(fold)) continue;
    throw new CliError(
      `Cannot use fold ${fold} of ${path}: found ${names.join(", ")}: choose among these`,
    );
  }
  return wanted.map((fold) => join(path, `fold_${fold}`));
}

/** Reads all models that paths mean, one after the other. @throws {CheckpointError | CliError} */
export async function readModels(
  paths: readonly string[],
  folds: readonly string[] | undefined,
  kind: CheckpointKind | undefined,
): Promise<FinetunedModel[]> {
  const { readFinetuned } = await import("../train/finetune/checkpoint.ts");
  const models: FinetunedModel[] = [];
  for (const path of paths) {
    for (const run of await findRuns(path, folds)) models.push(await readFinetuned(run, kind));
  }
  return models;
}
