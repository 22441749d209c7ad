import { cleanTemporary } from "../atomic.ts";
import type { Rejection } from "../filters/mod.ts";
import { readPretrainData } from "../pretrain_data.ts";
import type { StoreVolume } from "../store_index.ts";
import type { PreparedDataset } from "./options.ts";
import { countRejections, writeOutputs, writePlan } from "./outputs.ts";
import { readParts, removeParts } from "./part_files.ts";

/**
 * Joins the parts that `prepareDataset` made with `part`: writes the files that a run in one piece writes, with the same bytes, and
 * removes the files of the parts. An interrupted merge is simply done again.
 *
 * @param store folder of the store
 * @throws {DataError} when a part is missing, parts were made with other settings, no image is usable, or a file cannot be written
 */
export async function mergeParts(store: string): Promise<PreparedDataset> {
  const { facts, parts } = await readParts(store);
  const data = await readPretrainData(`${store}/pretrain_data.json`);
  await cleanTemporary(store);
  const volumes = new Map<string, StoreVolume>(), rejected = new Map<string, Rejection>();
  for (const part of parts) {
    for (const volume of part.volumes) volumes.set(volume.id, volume);
    for (const [id, rejection] of part.rejected) rejected.set(id, rejection);
  }
  const plan = await writePlan(store, facts);
  const outcome = { volumes, rejected };
  const { index, warnings } = await writeOutputs(store, data, facts, outcome);
  await removeParts(store);
  const rejectedByRule = countRejections(facts, outcome);
  return { path: store, index, plan, prepared: 0, reused: volumes.size, rejectedByRule, warnings };
}
