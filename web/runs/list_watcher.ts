import type { LiveMessage } from "../api.ts";
import type { Watcher } from "./live_hub.ts";
import type { RunStore } from "./run_store.ts";

/** Looks what is new in the list of runs: the whole list when runs came or went, else the lines that changed. */
export class ListWatcher implements Watcher {
  /** Each run's line as JSON, in the order of the list; null before the first look. */
  #lines: ReadonlyMap<string, string> | null = null;

  constructor(private readonly store: RunStore) {}

  async look(): Promise<readonly LiveMessage[]> {
    const { runs } = await this.store.list();
    const known = this.#lines;
    this.#lines = new Map(runs.map((info) => [info.id, JSON.stringify(info)]));
    if (known === null) return [];
    if ([...known.keys()].join("\n") !== [...this.#lines.keys()].join("\n")) return [{ type: "runs", runs }];
    return runs.filter((info) => known.get(info.id) !== this.#lines!.get(info.id))
      .map((info) => ({ type: "info", run: info.id, info }));
  }

  async greet(): Promise<readonly LiveMessage[]> {
    return [{ type: "runs", runs: (await this.store.list()).runs }];
  }
}
