import { DatabaseSync } from "node:sqlite";
import { eventJson, type MetricRow, type TrainEvent } from "./events.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = `
CREATE TABLE IF NOT EXISTS metric(name TEXT NOT NULL, step INTEGER NOT NULL, value REAL, PRIMARY KEY(name, step)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, type TEXT NOT NULL, json TEXT NOT NULL);
PRAGMA user_version = ${SCHEMA_VERSION};`;

/** A run log that cannot be opened or written. */
export class RunLogError extends Error {
  override readonly name = "RunLogError";
  constructor(message: string, readonly path: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** One bucket of a down-sampled curve. `mean` is NaN when every value of the bucket is. */
export interface CurvePoint {
  readonly step: number;
  readonly mean: number;
  readonly lowest: number;
  readonly highest: number;
}

/** A stored event: `event` as parsed JSON, `time` in milliseconds since 1970. */
export interface StoredEvent {
  readonly id: number;
  readonly time: number;
  readonly type: TrainEvent["type"];
  readonly event: Readonly<Record<string, unknown>>;
}

const metricRow = (name: string, row: Record<string, unknown>): MetricRow => ({
  step: row.step as number,
  name,
  value: (row.value ?? NaN) as number,
});

/**
 * Metrics and events of one run in an SQLite file. One process writes, any number may read at the same time (WAL).
 *
 * NaN is stored as NULL, since SQLite has no NaN, and read back as NaN.
 *
 * @example
 * ```ts ignore
 * using log = RunLog.open("runs/first/run.sqlite");
 * log.addMetrics([{ step: 0, name: "loss", value: 1.02 }]);
 * log.metric("loss"); // [{ step: 0, name: "loss", value: 1.02 }]
 * ```
 */
export class RunLog implements Disposable {
  readonly #database: DatabaseSync;
  readonly #readOnly: boolean;

  private constructor(readonly path: string, database: DatabaseSync, readOnly: boolean) {
    this.#database = database;
    this.#readOnly = readOnly;
  }

  /**
   * Opens a log, creating it unless `readOnly`.
   *
   * @param options `immutable`: read a log that nobody writes, and make no file beside it, so that its folder need not be writable
   * @throws {RunLogError} if the file cannot be opened, is no run log, or was written by a newer version
   */
  static open(
    path: string,
    options: { readonly readOnly?: boolean; readonly immutable?: boolean } = {},
  ): RunLog {
    const readOnly = options.readOnly ?? options.immutable ?? false;
    let database: DatabaseSync | undefined;
    try {
      const address = `file:${encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23")}?immutable=1`;
      database = new DatabaseSync(options.immutable ? address : path, { readOnly });
      database.exec("PRAGMA busy_timeout = 5000");
      const version = database.prepare("PRAGMA user_version").get()!.user_version as number;
      if (version > SCHEMA_VERSION) {
        throw new Error(`found format ${version}, this version reads ${SCHEMA_VERSION}: update the program`);
      }
      if (readOnly && version === 0) throw new Error("found a database without metrics: not a run log");
      if (!readOnly) database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA);
      return new RunLog(path, database, readOnly);
    } catch (cause) {
      database?.close();
      const { message } = cause as Error;
      const remedy = message.startsWith("found ")
        ? ""
        : ": check the free space and permissions of its folder, or start a new run";
      throw new RunLogError(`Cannot open run log ${path}: ${message}${remedy}`, path, { cause });
    }
  }

  /**
   * Stores metric rows in one transaction: all of them or, after a crash, none. A repeated (step, name) replaces.
   * @throws {RunLogError} when the disk is full or the file not writable, as every writing method does
   */
  addMetrics(rows: readonly MetricRow[]): void {
    const insert = this.#database.prepare(
      "INSERT OR REPLACE INTO metric(name, step, value) VALUES (?, ?, ?)",
    );
    this.#transaction(() => {
      for (const { name, step, value } of rows) insert.run(name, step, Number.isNaN(value) ? null : value);
    });
  }

  /** Stores an event; a `metrics` event stores its rows as metrics instead. `time` in milliseconds since 1970. */
  addEvent(event: TrainEvent, time = Date.now()): void {
    if (event.type === "metrics") return this.addMetrics(event.rows);
    this.#transaction(() => {
      this.#database.prepare("INSERT INTO event(time, type, json) VALUES (?, ?, ?)")
        .run(time, event.type, eventJson(event));
    });
  }

  /**
   * Forgets what an interrupted run logged after its checkpoint, before it goes on from there: metrics of the steps from
   * `completedSteps` on (steps count from 0) and later validations, stages, checkpoints, pictures and slices. Starts, stops, failures and
   * warnings stay: they are the history of the run.
   */
  truncateAfter(completedSteps: number): void {
    this.#transaction(() => {
      this.#database.prepare("DELETE FROM metric WHERE step >= ?").run(completedSteps);
      this.#database.prepare(
        "DELETE FROM event WHERE type IN ('validation', 'segmentation', 'stage', 'checkpoint', 'picture', 'slices') AND json_extract(json, '$.step') > ?",
      ).run(completedSteps);
    });
  }

  /** Number that another one replaces whenever another process has changed the log. */
  version(): number {
    return this.#database.prepare("PRAGMA data_version").get()!.data_version as number;
  }

  /** Largest step of every metric, the metrics sorted by name. Takes a few look-ups a metric, however many rows there are. */
  lastSteps(): Map<string, number> {
    const rows = this.#database.prepare(
      "WITH RECURSIVE found(name) AS (SELECT min(name) FROM metric UNION ALL " +
        "SELECT (SELECT min(name) FROM metric WHERE name > found.name) FROM found WHERE found.name IS NOT NULL) " +
        "SELECT name, (SELECT max(step) FROM metric WHERE metric.name = found.name) step FROM found WHERE name IS NOT NULL",
    ).all();
    return new Map(rows.map((row) => [row.name as string, row.step as number]));
  }

  /** Names of all metrics, sorted. */
  metricNames(): string[] {
    return [...this.lastSteps().keys()];
  }

  /** Rows of one metric with `step` above `afterStep`, in order of step. */
  metric(name: string, afterStep = -1): MetricRow[] {
    return this.#database.prepare("SELECT step, value FROM metric WHERE name = ? AND step > ? ORDER BY step")
      .all(name, afterStep).map((row) => metricRow(name, row));
  }

  /** The last `count` rows of one metric, in order of step. */
  newest(name: string, count: number): MetricRow[] {
    return this.#database.prepare("SELECT step, value FROM metric WHERE name = ? ORDER BY step DESC LIMIT ?")
      .all(name, count).map((row) => metricRow(name, row)).reverse();
  }

  /**
   * Mean, lowest and highest value of one metric in at most `points` buckets of equal width, for drawing.
   *
   * @param range steps that are drawn, both ends included; all by default
   */
  curve(
    name: string,
    points: number,
    range: { readonly from?: number; readonly to?: number } = {},
  ): CurvePoint[] {
    const { from = 0, to = Number.MAX_SAFE_INTEGER } = range;
    const { lowest, highest } = this.#database.prepare(
      "SELECT (SELECT min(step) FROM metric WHERE name = ?1 AND step >= ?2) lowest, " +
        "(SELECT max(step) FROM metric WHERE name = ?1 AND step <= ?3) highest",
    ).get(name, from, to) as { lowest: number | null; highest: number | null };
    if (lowest === null || highest === null || lowest > highest) return [];
    const width = Math.max(1, Math.ceil((highest - lowest + 1) / points));
    // a range scan a bucket: GROUP BY would sort what the key has in order already, and takes twice as long
    return this.#database.prepare(
      "WITH RECURSIVE bucket(first) AS (SELECT CAST(?2 AS INTEGER) UNION ALL " +
        "SELECT first + CAST(?3 AS INTEGER) FROM bucket WHERE first + ?3 <= ?4) " +
        "SELECT (SELECT json_array(max(step), avg(value), min(value), max(value)) FROM metric " +
        "WHERE name = ?1 AND step >= first AND step < first + ?3 AND step <= ?4) point FROM bucket",
    ).all(name, lowest, width, highest).flatMap((row) => {
      const [step, mean, low, high] = JSON.parse(row.point as string) as (number | null)[];
      return step === null ? [] : [{ step, mean: mean ?? NaN, lowest: low ?? NaN, highest: high ?? NaN }];
    });
  }

  /**
   * Events with an id above `afterId`, in order.
   *
   * @param options only events of some types, and only the newest of them
   */
  events(
    afterId = 0,
    options: { readonly types?: readonly TrainEvent["type"][]; readonly newest?: number } = {},
  ): StoredEvent[] {
    const { types, newest = -1 } = options;
    return this.#database.prepare(
      "SELECT id, time, type, json FROM event WHERE id > ?1 AND (?2 IS NULL OR type IN (SELECT value FROM json_each(?2))) " +
        "ORDER BY id DESC LIMIT ?3",
    ).all(afterId, types ? JSON.stringify(types) : null, newest)
      .map((row) => ({
        id: row.id as number,
        time: row.time as number,
        type: row.type as TrainEvent["type"],
        event: JSON.parse(row.json as string),
      })).reverse();
  }

  /** Largest step with a metric, -1 when there is none. */
  lastStep(): number {
    return Math.max(-1, ...this.lastSteps().values());
  }

  /** Closes the file; a writer first folds the write-ahead log into it, so that a single file remains. */
  close(): void {
    if (!this.#database.isOpen) return;
    try {
      if (!this.#readOnly) this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // a full disk: the write-ahead log stays beside the file and is read with it
    }
    this.#database.close();
  }

  /** Same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #transaction(body: () => void): void {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      body();
      this.#database.exec("COMMIT");
    } catch (cause) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw new RunLogError(
        `Cannot write run log ${this.path}: ${
          (cause as Error).message
        }, wanted room and the right to write: ` +
          `free some space or change permissions, then go on with --resume`,
        this.path,
        { cause },
      );
    }
  }
}
