import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { eventJson, type TrainEvent } from "../../train/events.ts";
import { RunLog, RunLogError } from "../../train/run_log.ts";

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const withLog = (body: (log: RunLog) => void): Promise<void> =>
  withFolder((folder) => {
    using log = RunLog.open(`${folder}/run.sqlite`);
    body(log);
  });

const validation = (step: number): TrainEvent => ({
  type: "validation",
  step,
  epoch: step / 10,
  valLoss: 0.5,
  valLossConstant: 1,
  valLossNearest: 0.9,
});

Deno.test("RunLog keeps metrics and events across closing", () =>
  withFolder((folder) => {
    const path = `${folder}/run.sqlite`;
    {
      using log = RunLog.open(path);
      assert.equal(log.lastStep(), -1);
      log.addMetrics([{ step: 0, name: "loss", value: 1 / 3 }, { step: 0, name: "lr", value: 1e-2 }]);
      log.addEvent({ type: "metrics", step: 2, rows: [{ step: 1, name: "loss", value: 0.25 }] });
      log.addEvent(validation(2), 1234);
      log.addEvent({ type: "picture", step: 2, path: "a.png", png: new Uint8Array(1000) });
    }
    assert.deepEqual(
      [...Deno.readDirSync(folder)].map((entry) => entry.name),
      ["run.sqlite"],
      "one file remains",
    );
    using log = RunLog.open(path, { readOnly: true });
    assert.deepEqual(log.metricNames(), ["loss", "lr"]);
    assert.deepEqual(log.metric("loss"), [
      { step: 0, name: "loss", value: 1 / 3 },
      { step: 1, name: "loss", value: 0.25 },
    ]);
    assert.deepEqual(log.metric("loss", 0).map((row) => row.step), [1]);
    assert.equal(log.lastStep(), 1);
    const events = log.events();
    assert.deepEqual(events.map(({ type }) => type), ["validation", "picture"]);
    assert.equal(events[0].time, 1234);
    assert.deepEqual(events[0].event, validation(2));
    assert.deepEqual(events[1].event, { type: "picture", step: 2, path: "a.png" });
    assert.deepEqual(log.events(events[0].id).map(({ type }) => type), ["picture"]);
  }));

Deno.test("RunLog stores NaN and infinities", () =>
  withFolder((folder) => {
    using log = RunLog.open(`${folder}/run.sqlite`);
    const values = [NaN, Infinity, -Infinity, -0, 5e-324];
    log.addMetrics(values.map((value, step) => ({ step, name: "loss", value })));
    assert.deepEqual(log.metric("loss").map(({ value }) => value + 0), values.map((value) => value + 0));
    assert.equal(
      eventJson({ type: "finished", step: 1, seconds: NaN }),
      '{"type":"finished","step":1,"seconds":"NaN"}',
    );
  }));

Deno.test("RunLog.truncateAfter() forgets what came after the checkpoint and keeps the history", () =>
  withFolder((folder) => {
    using log = RunLog.open(`${folder}/run.sqlite`);
    log.addMetrics(Array.from({ length: 30 }, (_, step) => ({ step, name: "loss", value: step })));
    for (const step of [10, 20, 30]) {
      log.addEvent(validation(step));
      log.addEvent({ type: "checkpoint", step, kind: "latest", path: "latest" });
    }
    log.addEvent({ type: "failed", step: 30, message: "lost device" });
    log.truncateAfter(20);
    assert.equal(log.lastStep(), 19);
    assert.deepEqual(
      log.events().map(({ type, event }) => `${type} ${event.step}`),
      ["validation 10", "checkpoint 10", "validation 20", "checkpoint 20", "failed 30"],
    );
    log.addMetrics([{ step: 20, name: "loss", value: -1 }]);
    assert.equal(log.metric("loss", 19)[0].value, -1);
  }));

Deno.test("RunLog.addMetrics() stores all rows or none", () =>
  withFolder((folder) => {
    using log = RunLog.open(`${folder}/run.sqlite`);
    const broken = [{ step: 0, name: "loss", value: 1 }, {
      step: 1,
      name: null as unknown as string,
      value: 1,
    }];
    assert.throws(() => log.addMetrics(broken), /NOT NULL/);
    assert.equal(log.lastStep(), -1);
    log.addMetrics([{ step: 0, name: "loss", value: 2 }]);
    assert.equal(log.lastStep(), 0);
  }));

Deno.test("RunLog can be read while it is written", () =>
  withFolder((folder) => {
    const path = `${folder}/run.sqlite`;
    using writer = RunLog.open(path);
    using reader = RunLog.open(path, { readOnly: true });
    for (let step = 0; step < 50; step++) {
      writer.addMetrics([{ step, name: "loss", value: step }]);
      assert.equal(reader.metric("loss").length, step + 1);
    }
  }));

Deno.test("RunLog.curve() gives mean and range of each bucket", () =>
  withFolder((folder) => {
    using log = RunLog.open(`${folder}/run.sqlite`);
    assert.deepEqual(log.curve("loss", 4), []);
    log.addMetrics(Array.from({ length: 10 }, (_, i) => ({ step: 100 + i, name: "loss", value: i })));
    assert.deepEqual(log.curve("loss", 4), [
      { step: 102, mean: 1, lowest: 0, highest: 2 },
      { step: 105, mean: 4, lowest: 3, highest: 5 },
      { step: 108, mean: 7, lowest: 6, highest: 8 },
      { step: 109, mean: 9, lowest: 9, highest: 9 },
    ]);
    assert.equal(log.curve("loss", 100).length, 10);
  }));

Deno.test("RunLog.curve() draws a range of steps, with all digits and infinite values", () =>
  withLog((log) => {
    const value = (step: number) => step === 7 ? Infinity : 0.1 + step / 3;
    log.addMetrics(Array.from({ length: 10 }, (_, step) => ({ step, name: "loss", value: value(step) })));
    const point = (step: number) => ({ step, mean: value(step), lowest: value(step), highest: value(step) });
    assert.deepEqual(log.curve("loss", 100, { from: 6, to: 8 }), [6, 7, 8].map(point));
    assert.deepEqual(log.curve("loss", 100, { from: 9 }), [point(9)]);
    assert.deepEqual(log.curve("loss", 100, { to: 0 }), [point(0)]);
    assert.deepEqual(log.curve("loss", 100, { from: 10 }), []);
    assert.deepEqual(log.curve("loss", 2, { from: 2, to: 5 }).map(({ step, lowest }) => [step, lowest]), [
      [3, value(2)],
      [5, value(4)],
    ]);
  }));

Deno.test("RunLog finds the ends of its metrics and the newest events of some types", () =>
  withLog((log) => {
    log.addMetrics([1, 5, 9].map((step) => ({ step, name: "loss", value: step })));
    log.addMetrics([{ step: 3, name: "lr", value: 1 }]);
    assert.deepEqual([...log.lastSteps()], [["loss", 9], ["lr", 3]]);
    assert.equal(log.lastStep(), 9);
    assert.deepEqual(log.newest("loss", 2).map((row) => row.step), [5, 9]);
    assert.deepEqual(log.newest("none", 2), []);
    for (let step = 1; step <= 3; step++) {
      log.addEvent({ type: "warning", step, message: "odd" });
      log.addEvent({ type: "checkpoint", step, kind: "best", path: "b" });
    }
    const found = (options: Parameters<RunLog["events"]>[1]) => log.events(0, options).map((e) => e.id);
    assert.deepEqual(found({ types: ["warning"] }), [1, 3, 5]);
    assert.deepEqual(found({ types: ["warning"], newest: 2 }), [3, 5]);
    assert.deepEqual(found({ newest: 1 }), [6]);
    assert.deepEqual(found({ types: [] }), []);
  }));

Deno.test("RunLog.version() changes when another connection writes", () =>
  withLog((log) => {
    using reader = RunLog.open(log.path, { readOnly: true });
    const before = reader.version();
    assert.equal(reader.version(), before);
    log.addMetrics([{ step: 0, name: "loss", value: 1 }]);
    assert.notEqual(reader.version(), before);
  }));

Deno.test("RunLog.open() reads an immutable log and makes no file beside it", () =>
  withFolder((parent) => {
    const folder = `${parent}/a #1? %41`, path = `${folder}/run.sqlite`;
    Deno.mkdirSync(folder);
    const log = RunLog.open(path);
    log.addMetrics([{ step: 0, name: "loss", value: 1 }]);
    log.close();
    using reader = RunLog.open(path, { immutable: true });
    assert.equal(reader.metric("loss").length, 1);
    assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name), ["run.sqlite"]);
    assert.throws(() => RunLog.open(`${folder}/none.sqlite`, { immutable: true }), RunLogError);
  }));

Deno.test("RunLog.open() says why a file is no run log", () =>
  withFolder((folder) => {
    const open = (name: string, readOnly: boolean) => () => RunLog.open(`${folder}/${name}`, { readOnly });
    Deno.writeTextFileSync(
      `${folder}/text`,
      "this is no database, only some text that is long enough".repeat(30),
    );
    assert.throws(open("text", false), (error) => {
      assert.ok(error instanceof RunLogError);
      assert.match(error.message, /Cannot open run log .*text: file is not a database/);
      return true;
    });
    assert.throws(open("absent/run.sqlite", false), /Cannot open run log .*unable to open database file/);
    assert.throws(open("absent.sqlite", true), RunLogError);
    const other = new DatabaseSync(`${folder}/other`);
    other.exec("PRAGMA user_version = 99");
    other.close();
    assert.throws(open("other", false), /found format 99, this version reads 1: update the program/);
    new DatabaseSync(`${folder}/empty`).close();
    assert.throws(open("empty", true), /not a run log/);
  }));
