import { type RunLog, RunLogError } from "../../train/run_log.ts";
import { runPaths } from "../../train/run_folder.ts";
import type { ReportLink, RunInfo, RunsResponse } from "../api.ts";
import { resolveInside, resolveRun } from "../resolve_inside.ts";
import { HttpError } from "../route.ts";
import { findRuns, type FoundRuns, isRunFolder } from "./find_runs.ts";
import { LogSource, signature, stat } from "./log_source.ts";
import { isJson, readJson } from "./read_json.ts";
import { describeRun, type Json, readFacts, type RunFacts } from "./run_facts.ts";

/** Logs that stay open, searches that stay valid (ms; twenty times as long as they took, where that is longer). */
const MAX_OPEN = 24, SEARCH_EVERY_MS = 3000;

/** The runs below some folders, read as they are at the moment of asking. Nothing is written, and nothing that is damaged throws. */
export class RunStore implements Disposable {
  /** Least recently used first. */
  readonly #sources = new Map<string, LogSource>();
  readonly #facts = new Map<string, { readonly files: string; readonly facts: RunFacts }>();
  #found: { readonly until: number; readonly found: Promise<readonly FoundRuns[]> } | null = null;

  /** @param roots real absolute paths; the first is the main one */
  constructor(readonly roots: readonly string[]) {}

  /** Every run, newest first, and the reports. */
  async list(): Promise<RunsResponse> {
    const found = await this.#search();
    const ids = found.flatMap(({ runs }, root) => runs.map((path) => idOf(root, path)));
    const infos: RunInfo[] = [];
    for (const id of ids) {
      const info = await this.info(id).catch(() => null); // removed meanwhile
      if (info) infos.push(info);
    }
    const time = ({ started, lastSeen }: RunInfo) => started ?? lastSeen ?? 0;
    return {
      runs: infos.sort((a, b) => time(b) - time(a) || (a.id < b.id ? -1 : 1)),
      reports: await this.reports(),
      message: found.map(({ message }) => message).filter((text) => text !== null).join("; ") || null,
    };
  }

  /** Every report below the roots. */
  async reports(): Promise<readonly ReportLink[]> {
    return (await this.#search()).flatMap(({ reports }, root) =>
      reports.map((path) => {
        const id = idOf(root, path);
        return { id, title: path || "report", url: `/api/report?report=${encodeURIComponent(id)}` };
      })
    );
  }

  /** Real path of a run's folder. @throws {HttpError} 404 when there is no such run */
  async folder(id: string): Promise<string> {
    const folder = await resolveRun(this.roots, id);
    const names = new Set<string>();
    try {
      if (folder !== null) { for await (const { name } of Deno.readDir(folder)) names.add(name); }
    } catch {
      // a file, or not ours to read: no run
    }
    if (folder !== null && isRunFolder(names)) return folder;
    throw new HttpError(
      404,
      `Cannot find run ${JSON.stringify(id)}: no such run folder here: look at the list of runs`,
    );
  }

  /** Real path of a file in a run's folder. @throws {HttpError} 404 when there is no such run or file */
  async file(id: string, path: string): Promise<string> {
    const found = await resolveInside(await this.folder(id), path);
    if (found !== null && stat(found)?.isFile) return found;
    throw new HttpError(
      404,
      `Cannot find ${JSON.stringify(path)} in run ${JSON.stringify(id)}: no such file`,
    );
  }

  /**
   * Reads a run's log at once, without waiting in between.
   *
   * @returns null while there is no log
   * @throws {HttpError} 404 when there is no such run, 409 when its log is damaged
   */
  async read<T>(id: string, body: (log: RunLog) => T): Promise<T | null> {
    return await this.#readLog(await this.folder(id), body);
  }

  /** One line about a run; damaged files are a state of it. @throws {HttpError} 404 when there is no such run */
  async info(id: string): Promise<RunInfo> {
    const folder = await this.folder(id);
    const { log, record } = runPaths(folder);
    const files = [log, `${log}-wal`, record, `${folder}/config.json`].map(stat);
    const lastSeen = Math.max(...files.map((file) => file?.mtime?.getTime() ?? 0)) || null;
    const state = files.map((file) => file && signature(file)).join();
    const known = this.#facts.get(id);
    if (known?.files === state) return describeRun(known.facts, lastSeen);
    const { config } = await readRecord(folder);
    try {
      const facts = await this.#readLog(folder, (open) => readFacts(id, config, open)) ??
        readFacts(id, config, null);
      this.#facts.set(id, { files: state, facts });
      return describeRun(facts, lastSeen);
    } catch (error) {
      const facts = readFacts(id, config, null);
      return { ...describeRun(facts, lastSeen), state: "unreadable", message: (error as Error).message };
    }
  }

  /** Closes every log. */
  close(): void {
    for (const source of this.#sources.values()) source.close();
    this.#sources.clear();
  }

  /** Same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #readLog<T>(folder: string, body: (log: RunLog) => T): Promise<T | null> {
    const path = await resolveInside(folder, "run.sqlite");
    if (path === null) return null;
    const source = this.#sources.get(path) ?? new LogSource(path);
    this.#sources.delete(path);
    this.#sources.set(path, source);
    for (const [oldest, other] of this.#sources) {
      if (this.#sources.size <= MAX_OPEN) break;
      other.close();
      this.#sources.delete(oldest);
    }
    try {
      const log = source.current();
      return log && body(log);
    } catch (cause) {
      source.close();
      if (cause instanceof RunLogError) throw new HttpError(409, cause.message);
      const { message } = cause as Error;
      throw new HttpError(
        409,
        `Cannot read run log ${path}: ${message}, wanted a whole SQLite file: copy it again, or restore it`,
      );
    }
  }

  #search(): Promise<readonly FoundRuns[]> {
    const asked = Date.now();
    if (this.#found && asked < this.#found.until) return this.#found.found;
    const found = Promise.all(this.roots.map(findRuns)).then((result) => {
      const now = Date.now();
      this.#found = { until: now + Math.max(SEARCH_EVERY_MS, 20 * (now - asked)), found };
      return result;
    });
    this.#found = { until: Infinity, found };
    return found;
  }
}

/** Configuration of a run and what else its record says, as far as they are there. */
export async function readRecord(
  folder: string,
): Promise<{ readonly config: Json; readonly environment: Json }> {
  const { config, ...environment } = await readJson(folder, "run.json") ?? {};
  return { config: isJson(config) ? config : await readJson(folder, "config.json") ?? {}, environment };
}

/** Id of a folder below root number `root`, as `resolveRun` reads it. */
function idOf(root: number, path: string): string {
  return root === 0 && path !== "" ? path : path === "" ? `~${root}` : `~${root}/${path}`;
}
