import { writeJsonAtomic } from "../../data/atomic.ts";
import { DataError } from "../../data/errors.ts";
import type { SegmentationModel } from "./nnunet_checkpoint.ts";
import { nnunetPlans, publicDataset } from "./public_plans.ts";

/**
 * Paths of plans.json and dataset.json of the model that a file in a folder `fold_N` belongs to, where nnU-Net's predictor reads them;
 * null for a file elsewhere, whose folder is not one of a trained model.
 */
export function modelFolderFiles(out: string): readonly [plans: string, dataset: string] | null {
  const folder = /^(.*[/\\])?fold_(?:\d+|all)[/\\][^/\\]+$/.exec(out);
  const above = folder?.[1] ?? "";
  return folder === null ? null : [`${above}plans.json`, `${above}dataset.json`];
}

/**
 * Writes plans.json and dataset.json into the folder above `fold_N`.
 *
 * @param paths from {@linkcode modelFolderFiles}
 * @throws {DataError} when other plans or another dataset.json stand there: folds of two data sets must not be mixed
 */
export async function writeModelFolder(
  model: SegmentationModel,
  [plans, dataset]: readonly [plans: string, dataset: string],
): Promise<void> {
  const documents = [
    [plans, nnunetPlans(model.plans)],
    [dataset, publicDataset(model.dataset)],
  ] as const;
  for (const [path, content] of documents) await requireSame(path, content);
  for (const [path, content] of documents) await writeJsonAtomic(path, content);
}

async function requireSame(path: string, content: object): Promise<void> {
  const found = await Deno.readTextFile(path).catch(() => null);
  if (found === null || found === JSON.stringify(content, null, 1) + "\n") return;
  throw new DataError({
    file: path,
    action: "write",
    found: "another file of that name",
    wanted: "none, or that of another fold of the same model",
    remedy: "name a fold folder of its own with --out",
  });
}
