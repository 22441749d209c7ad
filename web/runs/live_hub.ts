import type { LiveMessage } from "../api.ts";
import { HttpError } from "../route.ts";
import { ListWatcher } from "./list_watcher.ts";
import type { RunStore } from "./run_store.ts";
import { RunWatcher } from "./run_watcher.ts";

/** Streams at once, bytes that may wait for a slow viewer, time between signs of life (ms). */
const MAX_STREAMS = 256, MAX_WAITING_BYTES = 1 << 20, ALIVE_EVERY_MS = 15_000;
/** Pause between two looks at a run, and at all runs, for all of its viewers (ms); at least as long as a look takes. */
const LOOK_EVERY_MS = 400, LIST_EVERY_MS = 1000;

/** What looks for news: a run, or the list of runs. */
export interface Watcher {
  /** What happened since the last call; nothing the first time. */
  look(): Promise<readonly LiveMessage[]>;
  /** What a viewer must know who comes, or comes back after a while. */
  greet(): Promise<readonly LiveMessage[]>;
}

interface Viewer {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  end(): void;
}

interface Watched {
  readonly watcher: Watcher;
  readonly viewers: Set<Viewer>;
  readonly first: Promise<void>;
  stop(): void;
}

/** Tells viewers what happens to runs. Each run that somebody watches is read once for all of them. */
export class LiveHub implements Disposable {
  readonly #watched = new Map<string, Watched>();
  readonly #viewers = new Set<Viewer>();
  #alive: ReturnType<typeof setInterval> | undefined;

  /** @param lookEveryMs pause between two looks at a run */
  constructor(private readonly store: RunStore, private readonly lookEveryMs = LOOK_EVERY_MS) {}

  /**
   * Server-sent events of some runs, or of the list of runs when there are none: `hello` first, then what happens. A viewer that does
   * not keep up is cut off; browsers connect again by themselves.
   *
   * @throws {HttpError} 404 when a run is not there, 429 when too many people watch
   */
  async stream(runs: readonly string[]): Promise<ReadableStream<Uint8Array>> {
    if (this.#viewers.size >= MAX_STREAMS) {
      throw new HttpError(429, `${MAX_STREAMS} pages watch already: close some`, { "retry-after": "10" });
    }
    for (const run of runs) await this.store.folder(run);
    const topics = runs.length > 0 ? runs : [""];
    let viewer: Viewer;
    return new ReadableStream<Uint8Array>({
      start: async (controller) => {
        viewer = {
          send: (bytes) => {
            if ((controller.desiredSize ?? 0) < 0) return viewer.end();
            controller.enqueue(bytes);
          },
          end: () => {
            this.#leave(viewer, topics);
            controller.close();
          },
        };
        this.#viewers.add(viewer);
        this.#alive ??= setInterval(() => this.#sendAll(this.#viewers, ": alive\n\n"), ALIVE_EVERY_MS);
        const watched = topics.map((topic) => this.#watch(topic));
        for (const { viewers } of watched) viewers.add(viewer);
        await Promise.all(watched.map(({ first }) => first));
        const greetings = await Promise.all(watched.map(({ watcher }) => watcher.greet()));
        for (const message of [{ type: "hello", runs } as const, ...greetings.flat()]) {
          if (this.#viewers.has(viewer)) viewer.send(encode(message));
        }
      },
      cancel: () => this.#leave(viewer, topics),
    }, { highWaterMark: MAX_WAITING_BYTES, size: (bytes) => bytes!.byteLength });
  }

  /** Ends every stream. */
  close(): void {
    for (const viewer of [...this.#viewers]) viewer.end();
  }

  /** Same as `close`, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #leave(viewer: Viewer, topics: readonly string[]): void {
    this.#viewers.delete(viewer);
    for (const topic of topics) {
      const watched = this.#watched.get(topic);
      if (!watched?.viewers.delete(viewer) || watched.viewers.size > 0) continue;
      watched.stop();
      this.#watched.delete(topic);
    }
    if (this.#viewers.size > 0) return;
    clearInterval(this.#alive);
    this.#alive = undefined;
  }

  #watch(topic: string): Watched {
    const known = this.#watched.get(topic);
    if (known) return known;
    const watcher: Watcher = topic === "" ? new ListWatcher(this.store) : new RunWatcher(this.store, topic);
    const viewers = new Set<Viewer>();
    let timer: ReturnType<typeof setTimeout> | undefined, stopped = false;
    const look = async () => {
      const asked = performance.now();
      for (const message of await watcher.look()) this.#sendAll(viewers, message);
      const least = topic === "" ? LIST_EVERY_MS : this.lookEveryMs;
      const pause = Math.max(least, performance.now() - asked);
      if (!stopped) timer = setTimeout(look, pause);
    };
    const stop = () => {
      stopped = true;
      clearTimeout(timer);
    };
    const watched = { watcher, viewers, first: look(), stop };
    this.#watched.set(topic, watched);
    return watched;
  }

  #sendAll(viewers: ReadonlySet<Viewer>, message: LiveMessage | string): void {
    const bytes = typeof message === "string" ? new TextEncoder().encode(message) : encode(message);
    for (const viewer of [...viewers]) viewer.send(bytes);
  }
}

function encode(message: LiveMessage): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`event: ${message.type}\ndata: ${JSON.stringify(message)}\n\n`);
}
