import { parseLabels } from "../../data/nnunet/labels.ts";
import type { RunLog, StoredEvent } from "../../train/run_log.ts";
import { runPaths } from "../../train/run_folder.ts";
import type { FoldRow, RunDetail } from "../api.ts";
import { configDiff } from "./config_diff.ts";
import { stat } from "./log_source.ts";
import { readNotes } from "./notes.ts";
import { isJson, readJson } from "./read_json.ts";
import { readRecord, type RunStore } from "./run_store.ts";

/** Events and warnings that a page shows, and characters of plan.txt. */
const MAX_EVENTS = 500, MAX_WARNINGS = 200, MAX_PLAN = 1 << 16;

/** The newest events of a run after one of them. */
export function newestEvents(log: RunLog, after = 0): StoredEvent[] {
  return log.events(after, { newest: MAX_EVENTS });
}

/** Everything about a run that is no curve, as far as its files can be read. @throws {HttpError} 404 when there is no such run */
export async function runDetail(store: RunStore, id: string, allowControl: boolean): Promise<RunDetail> {
  const [folder, info] = [await store.folder(id), await store.info(id)];
  const paths = runPaths(folder);
  const [{ config, environment }, summary] = [
    await readRecord(folder),
    await readJson(folder, "summary.json"),
  ];
  const logged = await store.read(id, readLogged).catch(() => null); // the run's state says why
  const plan = await store.file(id, "plan.txt").then(Deno.readTextFile).catch(() => null);
  const data = isJson(summary?.data) ? summary.data : await readJson(folder, "store/store.json");
  return {
    info,
    config,
    environment,
    plan: plan && (plan.length > MAX_PLAN ? `${plan.slice(0, MAX_PLAN)}\n[the rest is in plan.txt]\n` : plan),
    memoryPlan: stat(paths.memoryPlan) !== null,
    summary,
    ...logged ??
      { metrics: [], events: [], warnings: [], baselines: null, segmentations: [], peakFlopPerSecond: null },
    rejected: (Array.isArray(data?.rejected) ? data.rejected : []).filter(isJson)
      .map(({ file, reason }) => ({ file: String(file), reason: String(reason) })),
    classes: await classNames(folder),
    folds: info.kind === "finetuning" ? await foldTable(store, id) : [],
    takesRequests: allowControl && (stat(paths.control)?.isDirectory ?? false),
    notes: await readNotes(folder),
    reports: (await store.reports()).filter((report) =>
      report.id === "~0" || id === report.id || id.startsWith(`${report.id}/`) ||
      report.id.startsWith(`${id}/`)
    ),
    pictures: await pictureNames(paths.pictures),
  };
}

type Logged = Pick<
  RunDetail,
  "metrics" | "events" | "warnings" | "baselines" | "segmentations" | "peakFlopPerSecond"
>;

function readLogged(log: RunLog): Logged {
  const validation = log.events(0, { types: ["validation"], newest: 1 })[0]?.event;
  const start = log.events(0, { types: ["started"], newest: 1 })[0]?.event;
  return {
    metrics: log.metricNames(),
    events: newestEvents(log),
    warnings: log.events(0, { types: ["warning", "failed"], newest: MAX_WARNINGS })
      .map(({ time, event }) => ({ time, step: Number(event.step), message: String(event.message) })),
    baselines: validation
      ? { constant: Number(validation.valLossConstant), nearest: Number(validation.valLossNearest) }
      : null,
    segmentations: log.events(0, { types: ["segmentation"] }).map(({ event }) => ({
      step: Number(event.step),
      epoch: Number(event.epoch),
      ...diceOf(event),
    })),
    peakFlopPerSecond: finite(start?.peakFlopPerSecond),
  };
}

const finite = (value: unknown): number | null => Number.isFinite(value) ? value as number : null;

function diceOf(
  event: Readonly<Record<string, unknown>>,
): Pick<FoldRow, "pseudoDice" | "meanDice" | "emaDice"> {
  const classes = Array.isArray(event.pseudoDice) ? event.pseudoDice : [];
  return {
    pseudoDice: classes.map(finite),
    meanDice: finite(event.meanDice),
    emaDice: finite(event.emaDice),
  };
}

/** Names of the foreground classes of a fine-tuning; empty where dataset.json is missing or wrong. */
export async function classNames(folder: string): Promise<readonly string[]> {
  try {
    return parseLabels(await readJson(folder, "dataset.json")).foreground.map(({ name }) => name);
  } catch {
    return [];
  }
}

/** The fine-tunings beside a run whose configurations differ from its own in the fold only, itself among them. */
async function foldTable(store: RunStore, id: string): Promise<FoldRow[]> {
  const parent = (run: string) => run.slice(0, run.lastIndexOf("/") + 1);
  const own = (await readRecord(await store.folder(id))).config;
  const rows: FoldRow[] = [];
  for (const info of (await store.list()).runs) {
    if (info.kind !== "finetuning" || parent(info.id) !== parent(id)) continue;
    const { config } = await readRecord(await store.folder(info.id));
    const difference = configDiff([own, config]);
    if (info.id !== id && !(difference.length === 1 && difference[0].path === "fold")) continue;
    const event = await store.read(
      info.id,
      (log) => log.events(0, { types: ["segmentation"], newest: 1 })[0]?.event,
    )
      .catch(() => null);
    rows.push({
      run: info.id,
      fold: config.fold as number | string,
      state: info.state,
      ...diceOf(event ?? {}),
    });
  }
  return rows.length > 1 ? rows.sort((a, b) => a.fold < b.fold ? -1 : 1) : [];
}

async function pictureNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (/^step_\d{8,}\.png$/.test(name)) names.push(`pictures/${name}`);
    }
  } catch {
    // a run without pictures, as yet
  }
  return names.sort();
}
