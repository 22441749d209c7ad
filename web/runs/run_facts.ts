import type { MetricRow } from "../../train/events.ts";
import type { RunLog } from "../../train/run_log.ts";
import type { RunInfo, RunState } from "../api.ts";

/** Silence, seconds, after which an unfinished run is stale: until it has validated once, of which nobody knows how long it takes, and later. */
const SILENCE_AT_START = 600, SILENCE_LATER = 120;

/** A JSON object of unknown content. */
export type Json = Readonly<Record<string, unknown>>;

/** What a run's files say, whatever the time is. */
export type RunFacts = Omit<RunInfo, "state" | "etaSeconds" | "lastSeen"> & {
  /** State as far as the log tells; `running` and `starting` depend on the time of its last change too. */
  readonly told: Exclude<RunState, "stale">;
  /** When it ended, null while it goes on. */
  readonly ended: number | null;
  /** Seconds of silence that are no reason to worry. */
  readonly patience: number;
};

/**
 * Reads the facts of a run.
 *
 * @param config of the run, empty where it cannot be read
 * @param log null while there is none
 */
export function readFacts(id: string, config: Json, log: RunLog | null): RunFacts {
  const number = (value: unknown): number | null => Number.isFinite(value) ? value as number : null;
  const newest = (name: string) =>
    log?.newest(name, 50).findLast(({ value }) => Number.isFinite(value))?.value ?? null;
  const life = log?.events(0, { types: ["started", "finished", "stopped", "failed"] }) ?? [];
  const start = life.findLast(({ type }) => type === "started")?.event;
  const last = life.at(-1);
  const stepsPerEpoch = number(config.stepsPerEpoch), epochs = number(start?.epochs ?? config.epochs);
  const reached = log?.lastStep() ?? -1;
  const step = Math.max(reached + 1, number(last?.event.step) ?? 0);
  const pace = readPace(log?.newest("seconds", 21) ?? []);
  const validationMs = newest("validationMs");
  const ended = last !== undefined && last.type !== "started";
  const told = ended
    ? last.type as "finished" | "stopped" | "failed"
    : step > (number(start?.step) ?? 0)
    ? "running"
    : "starting";
  return {
    id,
    kind: "fold" in config ? "finetuning" : "pretraining",
    told,
    ended: ended ? last.time : null,
    patience: Math.max(
      validationMs === null ? SILENCE_AT_START : SILENCE_LATER,
      5 * (pace?.longest ?? 0),
      (validationMs ?? 0) / 200,
    ),
    step,
    steps: number(start?.steps) ?? (stepsPerEpoch && epochs && stepsPerEpoch * epochs),
    epoch: stepsPerEpoch ? Math.floor(step / stepsPerEpoch) : 0,
    epochs,
    loss: newest("loss"),
    valLoss: newest("valLoss"),
    meanDice: newest("meanDice"),
    stepsPerSecond: told === "starting" ? null : pace?.stepsPerSecond || null,
    adapter: typeof start?.adapter === "string" ? start.adapter : null,
    seed: number(start?.seed ?? config.seed),
    started: life[0]?.time ?? null,
    message: last?.type === "failed"
      ? String(last.event.message)
      : last?.type === "stopped"
      ? `stopped: ${last.event.reason}`
      : null,
  };
}

/** A run at a moment. @param lastSeen when its log was last written @param now both in milliseconds since 1970 */
export function describeRun(facts: RunFacts, lastSeen: number | null, now = Date.now()): RunInfo {
  const { told, ended, patience, ...info } = facts;
  const open = told === "running" || told === "starting";
  const state = open && lastSeen !== null && now - lastSeen > 1000 * patience ? "stale" : told;
  const { stepsPerSecond, steps, step } = info;
  return {
    ...info,
    state,
    etaSeconds: state === "running" && stepsPerSecond && steps !== null
      ? (steps - step) / stepsPerSecond
      : null,
    lastSeen: ended ?? lastSeen,
  };
}

/** Pace by the newest read-backs of one process, pauses for validation and checkpoints among them; `longest` seconds between two. */
function readPace(rows: readonly MetricRow[]): { stepsPerSecond: number; longest: number } | null {
  const restart = rows.findLastIndex(({ value }, i) => i > 0 && value < rows[i - 1].value);
  const own = rows.slice(Math.max(0, restart));
  const first = own[0], last = own.at(-1);
  if (last === undefined) return null;
  const gaps = own.slice(1).map(({ value }, i) => value - own[i].value);
  const steps = last.step - first.step, seconds = last.value - first.value;
  if (steps === 0 || seconds <= 0) return { stepsPerSecond: 0, longest: last.value };
  return { stepsPerSecond: steps / seconds, longest: Math.max(...gaps) };
}
