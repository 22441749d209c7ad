import type { CompareResponse, ConfigDifference } from "../api.ts";
import { isJson } from "./read_json.ts";
import type { Json } from "./run_facts.ts";
import { readRecord, type RunStore } from "./run_store.ts";

/** Settings that are not the same in all configurations, in order of their path; lists are compared as a whole. */
export function configDiff(configs: readonly Json[]): ConfigDifference[] {
  const settings = configs.map((config) => new Map(flatten(config)));
  const paths = [...new Set(settings.flatMap((one) => [...one.keys()]))].sort();
  return paths
    .map((path) => ({ path, values: settings.map((one) => one.get(path) ?? null) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

/** Settings of an object as dotted paths and JSON texts. */
export function flatten(object: Json, prefix = ""): [string, string][] {
  return Object.entries(object).flatMap(([key, value]): [string, string][] =>
    isJson(value) && Object.keys(value).length > 0
      ? flatten(value, `${prefix}${key}.`)
      : [[prefix + key, JSON.stringify(value)]]
  );
}

/** Several runs side by side. @throws {HttpError} 404 when a run is not there */
export async function compareRuns(store: RunStore, ids: readonly string[]): Promise<CompareResponse> {
  const runs = await Promise.all(ids.map((id) => store.info(id)));
  const configs = await Promise.all(ids.map(async (id) => (await readRecord(await store.folder(id))).config));
  const metrics = await Promise.all(
    ids.map((id) => store.read(id, (log) => log.metricNames()).catch(() => null)), // the run's state says why
  );
  return {
    runs,
    differences: configDiff(configs),
    metrics: [...new Set(metrics.flatMap((names) => names ?? []))].sort(),
    stepsPerEpoch: configs.map(({ stepsPerEpoch }) =>
      typeof stepsPerEpoch === "number" ? stepsPerEpoch : null
    ),
  };
}
