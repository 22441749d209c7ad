import type { PreparedDataset, PrepareOptions } from "../data/prepare/mod.ts";
import type { Output } from "./output.ts";

/** Checks whose reasons are shown one by one; filters are chosen on purpose, and counted. */
const SHOWN_RULES = new Set(["unreadable", "unusable", "four-dimensional", "memory"]);
/** Reasons shown one by one at most; report.jsonl has all. */
const MOST_SHOWN = 200;

/**
 * Prepares a folder of volumes and shows how far it is. Each file that cannot be used is one warning; the others go on.
 *
 * @throws {DataError} when the source cannot be read, the store cannot be written, or no volume is usable
 */
export async function prepareData(options: PrepareOptions, output: Output): Promise<PreparedDataset> {
  const { prepareDataset } = await import("../data/prepare/mod.ts");
  output.log(`preparing ${options.source}`);
  let bar = output.progress("headers", 0);
  let begun = false, shown = 0;
  const prepared = await prepareDataset({
    ...options,
    onSurvey: (done, total) => bar.update(done, undefined, total),
    onProgress: ({ done, total, id, status, rule, reason }) => {
      if (!begun) bar = output.progress("prepare", total);
      begun = true;
      if (status === "rejected" && SHOWN_RULES.has(rule ?? "") && ++shown <= MOST_SHOWN) {
        output.warn(reason ?? `${id} is left out`);
      }
      bar.update(done, id.split("__").at(-1), total);
    },
  });
  bar.end();
  if (shown > MOST_SHOWN) {
    output.warn(`${shown - MOST_SHOWN} more files cannot be used: see report.jsonl in ${options.out}`);
  }
  for (const warning of prepared.warnings) output.warn(warning);
  return prepared;
}

/** The facts of a finished store that a user or a script wants. */
export function preparedFacts(dataset: PreparedDataset) {
  const { path, index, prepared, reused, rejectedByRule, warnings } = dataset;
  const { collection, configuration, dtype, compression, volumes, rejected, split } = index;
  return {
    store: path,
    collection,
    configuration,
    dtype,
    compression,
    prepared,
    reused,
    volumes: volumes.length,
    rejected,
    rejectedByRule,
    split,
    warnings,
  };
}

/** What a store holds, in a line. */
export function preparedText(facts: ReturnType<typeof preparedFacts>): string {
  const { train, val } = facts.split;
  const rules = Object.entries(facts.rejectedByRule).map(([rule, count]) => `${count} ${rule}`);
  const left = `${facts.rejected.length} left out${rules.length > 0 ? `: ${rules.join(", ")}` : ""}`;
  return `${facts.volumes} volumes in ${facts.store} (${facts.prepared} prepared, ${facts.reused} there already, ` +
    `${left}); subjects: ${train.length} training, ${val.length} validation`;
}
