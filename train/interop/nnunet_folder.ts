import { writeJsonAtomic } from "../../data/atomic.ts";
import { DataError } from "../../data/errors.ts";
import type { SegmentationModel } from "./nnunet_checkpoint.ts";
import { nnunetPlans, publicDataset } from "./public_plans.ts";

/**
 * Writes plans.json and dataset.json into the folder above `fold_N`, where nnU-Net's predictor reads them. A file elsewhere gets none:
 * its folder is not one of a trained model.
 *
 * @param out path of the checkpoint
 * @returns paths of the files that stand there now
 * @throws {DataError} when other plans or another dataset.json stand there: folds of two data sets must not be mixed
 */
export async function writeModelFolder(model: SegmentationModel, out: string): Promise<readonly string[]> {
  const folder = /^(.*[/\\])?fold_(?:\d+|all)[/\\][^/\\]+$/.exec(out);
  if (folder === null) return [];
  const above = folder[1] ?? "";
  const documents = [
    [`${above}plans.json`, nnunetPlans(model.plans)],
    [`${above}dataset.json`, publicDataset(model.dataset)],
  ] as const;
  for (const [path, content] of documents) await requireSame(path, content);
  for (const [path, content] of documents) await writeJsonAtomic(path, content);
  return documents.map(([path]) => path);
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
