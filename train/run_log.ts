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
   * @throws {RunLogError} if the file cannot be opened, is no run log, or was written by a newer version
   */
  static open(path: string, options: { readonly readOnly?: boolean } = {}): RunLog {
    const readOnly = options.readOnly ?? false;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly });
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

  /** Names of all metrics, sorted. */
  metricNames(): string[] {
    return this.#database.prepare("SELECT DISTINCT name FROM metric ORDER BY name").all()
      .map((row) => row.name as string);
  }

  /** Rows of one metric with `step` above `afterStep`, in order of step. */
  metric(name: string, afterStep = -1): MetricRow[] {
    return this.#database.prepare("SELECT step, value FROM metric WHERE name = ? AND step > ? ORDER BY step")
      .all(name, afterStep)
      .map((row) => ({ step: row.step as number, name, value: (row.value ?? NaN) as number }));
  }

  /** Mean, lowest and highest value of one metric in at most `points` buckets of equal width, for drawing. */
  curve(name: string, points: number): CurvePoint[] {
    const range = this.#database.prepare("SELECT min(step) lo, max(step) hi FROM metric WHERE name = ?").get(
      name,
    )!;
    if (range.lo === null) return [];
    const width = Math.max(1, Math.ceil(((range.hi as number) - (range.lo as number) + 1) / points));
    return this.#database.prepare(
      "SELECT max(step) step, avg(value) mean, min(value) lowest, max(value) highest FROM metric WHERE name = ? " +
        "GROUP BY (step - CAST(? AS INTEGER)) / CAST(? AS INTEGER) ORDER BY step",
    ).all(name, range.lo as number, width).map((row) => ({
      step: row.step as number,
      mean: (row.mean ?? NaN) as number,
      lowest: (row.lowest ?? NaN) as number,
      highest: (row.highest ?? NaN) as number,
    }));
  }

  /** Events with an id above `afterId`, in order. */
  events(afterId = 0): StoredEvent[] {
    return this.#database.prepare("SELECT id, time, type, json FROM event WHERE id > ? ORDER BY id").all(
      afterId,
    )
      .map((row) => ({
        id: row.id as number,
        time: row.time as number,
        type: row.type as TrainEvent["type"],
        event: JSON.parse(row.json as string),
      }));
  }

  /** Largest step with a metric, -1 when there is none. */
  lastStep(): number {
    return (this.#database.prepare("SELECT max(step) step FROM metric").get()!.step ?? -1) as number;
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
