import { DataError } from "./errors.ts";
import type { LoaderReply, LoaderRequest, ReaderSource } from "./loader_worker.ts";

/** How many samples to load, and how far ahead. */
export interface LoadingOptions {
  /** First step; 0 when left out. A resumed run passes the step it continues with. */
  readonly startStep?: number;
  /** Number of steps; endless when left out. */
  readonly steps?: number;
  /** Samples per step. */
  readonly batchSize: number;
  /** Threads; 2 when left out, 0 reads on the calling thread. */
  readonly workers?: number;
  /** Steps read ahead; 2 when left out. Bounds memory to `prefetch * batchSize` samples. */
  readonly prefetch?: number;
}

/** Samples of a store: drawn on the thread that owns the loader, which alone holds the store's index, and read on any. */
export interface SampleSequence<Planned, Sample> {
  /** What a worker opens to read planned samples. */
  readonly source: ReaderSource;
  /** Draws a sample; plain values. */
  plan(step: number, sampleIndex: number): Planned;
  /** Opens what reads samples on the calling thread. */
  open(): SampleReading<Planned, Sample>;
}

/** Reads planned samples. */
export interface SampleReading<Planned, Sample> extends Disposable {
  /** @throws {DataError} when an array is missing or damaged */
  read(planned: Planned): Sample;
}

/** Samples in order of step, then of index in the batch; leaving the loop, `close` or `using` ends the workers. */
export interface SampleLoader<Sample> extends AsyncIterable<Sample>, Disposable {
  /** Samples that are read and wait to be handed out: 0 means that the next reader will wait. */
  readonly ready: number;
  /** Ends the workers; a waiting reader sees the end of the sequence. */
  close(): void;
}

/**
 * Loads a sequence of samples on worker threads. The order never depends on the number of workers or on timing.
 *
 * @throws {DataError} while iterating, when an array is missing or damaged
 * @throws {RangeError} for counts that are not positive integers
 */
export function loadSamples<Planned, Sample>(
  sequence: SampleSequence<Planned, Sample>,
  options: LoadingOptions,
): SampleLoader<Sample> {
  const { batchSize, prefetch = 2, workers = 2, startStep = 0, steps = Infinity } = options;
  requireCounts([batchSize, prefetch], 1);
  requireCounts([workers, startStep, ...(steps === Infinity ? [] : [steps])], 0);
  const count = steps * batchSize;
  const draw = (position: number) =>
    sequence.plan(startStep + Math.floor(position / batchSize), position % batchSize);
  return workers === 0
    ? new InlineLoader(() => sequence.open(), count, draw)
    : new WorkerLoader(sequence.source, Math.min(workers, count), prefetch * batchSize, count, draw);
}

/** @throws {RangeError} unless every value is an integer of `lowest` or more */
export function requireCounts(values: readonly number[], lowest: number): void {
  for (const value of values) {
    if (Number.isSafeInteger(value) && value >= lowest) continue;
    throw new RangeError(`Cannot load samples: found ${value}, wanted an integer of ${lowest} or more`);
  }
}

class InlineLoader<Planned, Sample> implements SampleLoader<Sample> {
  readonly ready = 0;
  #closed = false;

  constructor(
    readonly open: () => SampleReading<Planned, Sample>,
    readonly count: number,
    readonly draw: (position: number) => Planned,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Sample> {
    using reader = this.open();
    for (let position = 0; position < this.count && !this.#closed; position++) {
      yield await Promise.resolve(reader.read(this.draw(position)));
    }
  }

  close(): void {
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class WorkerLoader<Planned, Sample> implements SampleLoader<Sample> {
  readonly #workers: Worker[];
  readonly #ready = new Map<number, Sample>();
  #requested = 0;
  #failure: Error | null = null;
  #closed = false;
  #wake: () => void = () => {};

  /** @param credits most samples requested and not yet handed out */
  constructor(
    readonly source: ReaderSource,
    workers: number,
    readonly credits: number,
    readonly count: number,
    readonly draw: (position: number) => Planned,
  ) {
    const url = new URL("./loader_worker.ts", import.meta.url);
    this.#workers = Array.from({ length: workers }, () => {
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }: MessageEvent<LoaderReply<Sample>>) => this.#receive(data);
      worker.onerror = (event) => {
        event.preventDefault();
        const remedy = "report this as a bug, or load with 0 workers";
        this.#fail(
          new DataError({
            file: source.store,
            found: `a worker that failed: ${event.message}`,
            wanted: "samples",
            remedy,
          }),
        );
      };
      worker.postMessage({ type: "open", source } satisfies LoaderRequest<Planned>);
      return worker;
    });
    for (let i = 0; i < Math.min(credits, count); i++) this.#request();
  }

  get ready(): number {
    return this.#ready.size;
  }

  #request(): void {
    if (this.#closed || this.#requested >= this.count) return;
    const position = this.#requested++;
    const request: LoaderRequest<Planned> = { type: "read", position, planned: this.draw(position) };
    this.#workers[position % this.#workers.length].postMessage(request);
  }

  #receive(reply: LoaderReply<Sample>): void {
    if (reply.type === "error") return this.#fail(new DataError(reply.fields));
    this.#ready.set(reply.position, reply.sample);
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Sample> {
    try {
      for (let position = 0; position < this.count; position++) {
        while (!this.#ready.has(position) && !this.#failure && !this.#closed) {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
        if (this.#closed) return;
        const sample = this.#ready.get(position);
        if (!sample) throw this.#failure!; // samples that are already here are handed out first
        this.#ready.delete(position);
        this.#request();
        yield sample;
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const worker of this.#workers) worker.terminate();
    this.#ready.clear();
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
