import { runPaths } from "../../train/run_folder.ts";
import type { RunLog } from "../../train/run_log.ts";
import type { LiveMessage, RunInfo } from "../api.ts";
import type { Watcher } from "./live_hub.ts";
import { signature, stat } from "./log_source.ts";
import { readNotes } from "./notes.ts";
import { newestEvents } from "./run_detail.ts";
import type { RunStore } from "./run_store.ts";
import { readSeries } from "./series.ts";
import { TrainingClock } from "./training_clock.ts";

/** Points of a curve in one message, and readings of the clock that date them. */
const MAX_POINTS = 200, CLOCK_POINTS = 500;
/** Newest events that everybody gets who comes: after an interruption they fill the gap. */
const GREETING_EVENTS = 50;

/** Looks what is new in a run. What goes wrong with its files is a state of the run, never an error. */
export class RunWatcher implements Watcher {
  #log: RunLog | null = null;
  #version = -1;
  /** Last step of each metric, last event, and state of the notes that the viewers know; null before the first look. */
  #steps: ReadonlyMap<string, number> | null = null;
  #event = 0;
  #notes = "";
  #info: RunInfo | null = null;

  constructor(private readonly store: RunStore, private readonly run: string) {}

  async look(): Promise<readonly LiveMessage[]> {
    const first = this.#steps === null;
    const messages = await this.store.read(this.run, (log) => this.#readLog(log)).catch(() => null) ?? [];
    this.#steps ??= new Map();
    messages.push(...await this.#readNotes(), ...await this.#readInfo());
    return first ? [] : messages;
  }

  async greet(): Promise<readonly LiveMessage[]> {
    const { run, store } = this;
    const folder = await store.folder(run).catch(() => null), info = await store.info(run).catch(() => null);
    if (folder === null || info === null) return []; // it vanished just now
    const events = await store.read(run, (log) => log.events(0, { newest: GREETING_EVENTS })).catch(() =>
      null
    );
    return [
      { type: "info", run, info },
      { type: "notes", run, notes: await readNotes(folder) },
      { type: "events", run, events: events ?? [] },
    ];
  }

  #readLog(log: RunLog): LiveMessage[] {
    const { run } = this, version = log.version(), known = this.#steps;
    if (log === this.#log && version === this.#version) return [];
    const steps = log.lastSteps(), events = newestEvents(log, this.#event);
    [this.#log, this.#version, this.#steps, this.#event] = [
      log,
      version,
      steps,
      events.at(-1)?.id ?? this.#event,
    ];
    if (known === null) return [];
    const cut = [...known].some(([name, step]) => (steps.get(name) ?? -1) < step);
    if (cut || events.some(({ type }) => type === "started")) return [{ type: "reset", run }];
    const grown = [...steps].filter(([name, step]) => step > (known.get(name) ?? -1));
    const clock = TrainingClock.of(log, grown.length > 0 ? CLOCK_POINTS : 1);
    const series = grown.map(([name]) =>
      readSeries(log, name, { points: MAX_POINTS, from: (known.get(name) ?? -1) + 1 }, clock)
    );
    return [
      ...series.length > 0 ? [{ type: "series", run, series } as const] : [],
      ...events.length > 0 ? [{ type: "events", run, events } as const] : [],
    ];
  }

  async #readNotes(): Promise<LiveMessage[]> {
    const folder = await this.store.folder(this.run).catch(() => null);
    const file = folder && stat(runPaths(folder).notes);
    const state = file ? signature(file) : "";
    if (folder === null || state === this.#notes) return [];
    this.#notes = state;
    return [{ type: "notes", run: this.run, notes: await readNotes(folder) }];
  }

  async #readInfo(): Promise<LiveMessage[]> {
    const gone = (error: Error): RunInfo | null =>
      this.#info && { ...this.#info, state: "unreadable", message: error.message };
    const info = await this.store.info(this.run).catch(gone);
    if (info === null || JSON.stringify(info) === JSON.stringify(this.#info)) return [];
    this.#info = info;
    return [{ type: "info", run: this.run, info }];
  }
}
