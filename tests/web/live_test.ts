import assert from "node:assert/strict";
import { RunLog } from "../../train/run_log.ts";
import type { LiveMessage } from "../../web/api.ts";
import { LiveHub } from "../../web/runs/live_hub.ts";
import { addNote } from "../../web/runs/notes.ts";
import { RunStore } from "../../web/runs/run_store.ts";
import { startedEvent, withFolder, writeRun } from "./run_folders.ts";

/** Reads the messages of a stream of server-sent events. */
class Listener implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .getReader();
  }

  /** The next message; null at the end. */
  async next(): Promise<LiveMessage | null> {
    while (!this.#text.includes("\n\n")) {
      const { value, done } = await this.#reader.read();
      if (done) return null;
      this.#text += value;
    }
    const end = this.#text.indexOf("\n\n");
    const [event, data] = this.#text.slice(0, end).split("\n");
    this.#text = this.#text.slice(end + 2);
    if (event.startsWith(":")) return await this.next(); // a comment, a sign of life
    const message: LiveMessage = JSON.parse(data.replace(/^data: /, ""));
    assert.equal(event, `event: ${message.type}`);
    return message;
  }

  /** The next message of a type, others passed over. */
  async until<T extends LiveMessage["type"]>(type: T): Promise<Extract<LiveMessage, { type: T }>> {
    for (;;) {
      const message = await this.next();
      assert.ok(message, `the stream ended before ${type}`);
      if (message.type === type) return message as Extract<LiveMessage, { type: T }>;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

/** A store that counts how often logs are read. */
class CountingStore extends RunStore {
  reads = 0;
  override read<T>(id: string, body: (log: RunLog) => T): Promise<T | null> {
    this.reads++;
    return super.read(id, body);
  }
}

async function withHub(
  body: (hub: LiveHub, log: RunLog, store: CountingStore, folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (root) => {
    await writeRun(`${root}/first`, { metrics: { loss: [3, 2], seconds: [1, 2] } });
    using log = RunLog.open(`${root}/first/run.sqlite`);
    using store = new CountingStore([root]);
    using hub = new LiveHub(store);
    await body(hub, log, store, `${root}/first`);
  });
}

Deno.test("LiveHub tells what is new within 1.5 s, and only that", () =>
  withHub(async (hub, log, _store, folder) => {
    await using listener = new Listener(await hub.stream(["first"]));
    assert.deepEqual(await listener.next(), { type: "hello", runs: ["first"] });
    assert.equal((await listener.until("info")).info.step, 2);
    assert.equal((await listener.until("events")).events.length, 1);
    log.addEvent({
      type: "metrics",
      step: 4,
      rows: [
        { step: 2, name: "loss", value: 1 },
        { step: 3, name: "loss", value: NaN },
        { step: 3, name: "seconds", value: 6 },
        { step: 1, name: "valLoss", value: 5 },
      ],
    });
    const { series } = await listener.until("series");
    assert.deepEqual(series.map(({ name, step, mean, seconds }) => ({ name, step, mean, seconds })), [
      { name: "loss", step: [2, 3], mean: [1, null], seconds: [4, 6] },
      { name: "seconds", step: [3], mean: [6], seconds: [6] },
      { name: "valLoss", step: [1], mean: [5], seconds: [2] },
    ]);
    assert.equal((await listener.until("info")).info.step, 4);
    log.addEvent({ type: "warning", step: 4, message: "odd" });
    assert.deepEqual((await listener.until("events")).events.map(({ type }) => type), ["warning"]);
    await addNote(folder, "hm", 7);
    assert.deepEqual((await listener.until("notes")).notes, [{ time: 7, text: "hm" }]);
    const delays = [];
    for (let step = 4; step < 7; step++) {
      const stored = performance.now();
      log.addMetrics([{ step, name: "loss", value: 1 }]);
      assert.deepEqual((await listener.until("series")).series[0].step, [step]);
      delays.push(performance.now() - stored);
    }
    assert.ok(Math.min(...delays) < 1500, `${delays} ms`);
    log.addMetrics(Array.from({ length: 5000 }, (_, i) => ({ step: 7 + i, name: "loss", value: i })));
    const many = (await listener.until("series")).series[0];
    assert.ok(many.step.length <= 200);
    assert.equal(many.step.at(-1), 5006);
    assert.equal(many.highest.at(-1), 4999);
  }));

Deno.test("LiveHub says when a log was cut off, and when a run vanished", () =>
  withHub(async (hub, log, _store, folder) => {
    await using listener = new Listener(await hub.stream(["first"]));
    await listener.until("events");
    log.truncateAfter(1);
    assert.deepEqual(await listener.until("reset"), { type: "reset", run: "first" });
    log.addMetrics([{ step: 1, name: "loss", value: 9 }]);
    assert.deepEqual((await listener.until("series")).series[0].mean, [9]);
    log.addEvent(startedEvent(2));
    await listener.until("reset");
    await Deno.rename(folder, `${folder}_away`);
    const unreadable = async () => {
      for (;;) {
        const { info } = await listener.until("info");
        if (info.state === "unreadable") return info.message!;
      }
    };
    assert.match(await unreadable(), /Cannot find run "first"/);
    await Deno.rename(`${folder}_away`, folder);
    assert.notEqual((await listener.until("info")).info.state, "unreadable");
  }));

Deno.test("LiveHub reads a run once for all its viewers, and no more when they are gone", () =>
  withHub(async (hub, log, store) => {
    const listeners: Listener[] = [];
    for (let i = 0; i < 50; i++) listeners.push(new Listener(await hub.stream(["first"])));
    for (const listener of listeners) await listener.until("events");
    store.reads = 0;
    log.addMetrics([{ step: 2, name: "loss", value: 1 }]);
    const found = await Promise.all(listeners.map((listener) => listener.until("series")));
    for (const message of found) assert.deepEqual(message, found[0]);
    assert.ok(store.reads <= 8, `${store.reads} reads`); // about one every 400 ms
    for (const listener of listeners) await listener[Symbol.asyncDispose]();
    store.reads = 0;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.ok(store.reads <= 1, `${store.reads} reads`); // one may have been under way
  }));

Deno.test("LiveHub cuts off a viewer that does not keep up, and bounds their number", () =>
  withHub(async (hub, log) => {
    await using quick = new Listener(await hub.stream(["first"]));
    await quick.until("events");
    const slow = await hub.stream(["first"]);
    for (let i = 0; i < 4; i++) {
      log.addEvent({ type: "warning", step: 1, message: "x".repeat(600_000) });
      await quick.until("events");
    }
    let bytes = 0;
    for await (const piece of slow) bytes += piece.length; // ends
    assert.ok(bytes > 1 << 20 && bytes < 3 << 20, `${bytes} bytes`);
    const streams = [];
    for (let i = 1; i < 256; i++) streams.push(await hub.stream([]));
    await assert.rejects(hub.stream([]), /close some/);
    hub.close();
    while (await quick.next()) { /* what was on its way */ }
    for (const stream of streams) await stream.cancel();
  }));

Deno.test("LiveHub follows the list of runs", () =>
  withHub(async (hub, log, _store, folder) => {
    await using listener = new Listener(await hub.stream([]));
    assert.deepEqual(await listener.next(), { type: "hello", runs: [] });
    assert.deepEqual((await listener.until("runs")).runs.map(({ id }) => id), ["first"]);
    log.addMetrics([{ step: 2, name: "loss", value: 1 }]);
    const { run, info } = await listener.until("info");
    assert.deepEqual([run, info.step, info.loss], ["first", 3, 1]);
    await writeRun(`${folder}/../second`);
    assert.deepEqual((await listener.until("runs")).runs.map(({ id }) => id).sort(), ["first", "second"]);
  }));
