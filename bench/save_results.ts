/** Keeps the results of a benchmark in bench/results. */
import { fromFileUrl } from "./paths.ts";
import type { MachineFacts } from "./record.ts";

/** A file in bench/results. */
export interface SavedResults<Result> extends MachineFacts {
  /** What was measured: the name of the benchmark. */
  readonly benchmark: string;
  /** Time of the measurement, ISO 8601. */
  readonly date: string;
  /** The command that measured, from the root of the checkout. */
  readonly command: string;
  readonly results: readonly Result[];
}

/** `NAME_ADAPTER_COMMIT.json`: lower case, one underscore between words; a `+` after the commit reads `changed`. */
export function resultsFileName({ benchmark, adapter, commit }: SavedResults<unknown>): string {
  const words = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_").replaceAll(/^_|_$/g, "");
  return `${words(benchmark)}_${words(adapter)}_${words(commit.replace("+", " changed"))}.json`;
}

/** Facts of a run and its results, as they are kept. */
export function savedResults<Result>(
  benchmark: string,
  command: string,
  machine: MachineFacts,
  results: readonly Result[],
): SavedResults<Result> {
  const { adapter, commit, runtime } = machine;
  return { benchmark, adapter, commit, runtime, date: new Date().toISOString(), command, results };
}

/**
 * Writes a file into bench/results, over an earlier one of the same benchmark, adapter and commit.
 *
 * @returns its path
 */
export async function saveResults(
  saved: SavedResults<unknown>,
  folder = fromFileUrl(new URL("results", import.meta.url)),
): Promise<string> {
  const path = `${folder}/${resultsFileName(saved)}`;
  const partial = `${path}.${crypto.randomUUID()}.tmp`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(partial, `${JSON.stringify(saved, null, 2)}\n`);
  await Deno.rename(partial, path);
  return path;
}
