import type { PreparedDataset, PrepareOptions } from "../data/prepare/mod.ts";
import type { Output } from "./output.ts";

/**
 * Prepares a folder of volumes and shows how far it is. Each file that cannot be used is one warning; the others go on.
 *
 * @throws {DataError} when the source cannot be read, the store cannot be written, or no volume is usable
 */
export async function prepareData(options: PrepareOptions, output: Output): Promise<PreparedDataset> {
  const { prepareDataset } = await import("../data/prepare/mod.ts");
  output.log(`preparing ${options.source}`);
  const bar = output.progress("prepare", 0);
  const prepared = await prepareDataset({
    ...options,
    onProgress: ({ done, total, id, status, reason }) => {
      if (status === "rejected") output.warn(reason ?? `${id} is left out`);
      bar.update(done, id.split("__").at(-1), total);
    },
  });
  bar.end();
  for (const warning of prepared.warnings) output.warn(warning);
  return prepared;
}

/** The facts of a finished store that a user or a script wants. */
export function preparedFacts({ path, index, prepared, reused, warnings }: PreparedDataset) {
  const { collection, configuration, dtype, volumes, rejected, split } = index;
  return {
    store: path,
    collection,
    configuration,
    dtype,
    prepared,
    reused,
    volumes: volumes.length,
    rejected,
    split,
    warnings,
  };
}
