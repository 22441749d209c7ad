import { writeFileAtomic } from "../data/atomic.ts";
import { DataError, toDataError } from "../data/errors.ts";
import { METRIC_NAMES } from "./summarize.ts";
import type { EvaluationSummary } from "./types.ts";

/**
 * Writes summary.json: nnU-Net's keys with ours beside them. Undefined values are `null` and infinite ones `"Infinity"`, since JSON has
 * no other way to say so.
 *
 * @throws {DataError} when the file cannot be written
 */
export function writeSummary(path: string, summary: EvaluationSummary): Promise<void> {
  const text = JSON.stringify(summary, (_key, value) => value === Infinity ? "Infinity" : value, 2);
  return writeFileAtomic(path, `${text}\n`);
}

/**
 * Reads a summary.json that `writeSummary` wrote.
 *
 * @throws {DataError} when it cannot be read or lacks the parts of such a file
 */
export async function readSummary(path: string): Promise<EvaluationSummary> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await Deno.readTextFile(path), restoreNumber);
  } catch (error) {
    throw toDataError(error, path);
  }
  const summary = parsed as Partial<EvaluationSummary> | null;
  const whole = summary?.foreground_mean && summary.mean && Array.isArray(summary.metric_per_case) &&
    Array.isArray(summary.classes);
  if (!whole) {
    throw new DataError({
      file: path,
      found: "no foreground_mean, mean, metric_per_case or classes",
      wanted: "a summary.json of spark3d evaluate",
      remedy: "evaluate the predictions again",
    });
  }
  return summary as EvaluationSummary;
}

function restoreNumber(key: string, value: unknown): unknown {
  if (value === "Infinity") return Infinity;
  return value === null && (METRIC_NAMES as readonly string[]).includes(key) ? NaN : value;
}

/** Writes one row for each case and class: undefined values are empty, infinite ones `Infinity`. @throws {DataError} as `writeSummary` */
export function writeMetricsCsv(path: string, summary: EvaluationSummary): Promise<void> {
  return writeFileAtomic(path, metricsCsv(summary));
}

/** The metrics as comma-separated values (RFC 4180). */
export function metricsCsv({ metric_per_case, classes }: EvaluationSummary): string {
  const rows = metric_per_case.flatMap(({ id, metrics }) =>
    classes.map(({ key, name }) => [
      id,
      name,
      key,
      ...METRIC_NAMES.map((metric) => Number.isNaN(metrics[key][metric]) ? "" : `${metrics[key][metric]}`),
    ])
  );
  return [["case", "class", "key", ...METRIC_NAMES], ...rows]
    .map((row) => row.map(csvField).join(",") + "\r\n").join("");
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
