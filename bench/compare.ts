/**
 * Compares two files of JSON lines from `spark3d bench --json`.
 *
 *   deno run --allow-read bench/compare.ts before.jsonl after.jsonl
 *
 * Prints median times and how many times faster the second one is; exit code 1 when nothing is in both.
 */
import type { BenchRecord } from "./record.ts";

/** One operation at one shape in both files. */
export interface Comparison {
  readonly op: string;
  readonly shape: string;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** `beforeMs / afterMs`: above 1 the second run is faster. */
  readonly speedup: number;
}

/** Reads JSON lines; other lines, such as a table, are left out. */
export function parseRecords(text: string): BenchRecord[] {
  return text.split("\n").filter((line) => line.startsWith("{")).map((line) =>
    JSON.parse(line) as BenchRecord
  );
}

/** Pairs of records with equal operation and shape, in the order of the second file. The last line of a key counts. */
export function compareRecords(before: readonly BenchRecord[], after: readonly BenchRecord[]): Comparison[] {
  const key = ({ op, shape }: BenchRecord) => `${op} ${shape}`;
  const known = new Map(before.map((record) => [key(record), record]));
  return [...new Map(after.map((record) => [key(record), record])).values()].flatMap((record) => {
    const earlier = known.get(key(record));
    if (!earlier) return [];
    const [beforeMs, afterMs] = [earlier.medianMs, record.medianMs];
    return [{ op: record.op, shape: record.shape, beforeMs, afterMs, speedup: beforeMs / afterMs }];
  });
}

/** The comparison as a table, with a warning when the two runs are from different adapters or runtimes. */
export function formatComparison(before: readonly BenchRecord[], after: readonly BenchRecord[]): string {
  const rows = compareRecords(before, after);
  const machines = [before, after].map((records) =>
    [...new Set(records.map((r) => `${r.adapter}, ${r.runtime}`))].join("; ")
  );
  const commits = [before, after].map((records) => [...new Set(records.map((r) => r.commit))].join("; "));
  return [
    ...(machines[0] === machines[1]
      ? [machines[0]]
      : [`DIFFERENT MACHINES: ${machines[0]} and ${machines[1]}`]),
    `${commits[0]} -> ${commits[1]}`,
    ...rows.map(({ op, shape, beforeMs, afterMs, speedup }) =>
      `${op.padEnd(28)} ${shape.padEnd(34)} ${beforeMs.toFixed(3).padStart(10)} -> ${
        afterMs.toFixed(3).padStart(10)
      } ms  ${speedup.toFixed(2).padStart(6)} x`
    ),
  ].join("\n");
}

if (import.meta.main) {
  const [before, after, ...rest] = Deno.args;
  if (!before || !after || rest.length > 0) {
    console.error("Usage: deno run --allow-read bench/compare.ts before.jsonl after.jsonl");
    Deno.exit(2);
  }
  const [a, b] = [
    parseRecords(await Deno.readTextFile(before)),
    parseRecords(await Deno.readTextFile(after)),
  ];
  if (compareRecords(a, b).length === 0) {
    console.error(`Cannot compare ${before} with ${after}: no operation and shape is in both`);
    Deno.exit(1);
  }
  console.log(formatComparison(a, b));
}
