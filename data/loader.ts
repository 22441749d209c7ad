import { DataError } from "./errors.ts";
import { type LoadedPatch, SamplePlanner, SampleReader, type SampleSource } from "./load_sample.ts";
import type { LoaderReply, LoaderRequest } from "./loader_worker.ts";
import { type Sampling, UNIFORM_SAMPLING } from "./sampling.ts";
import type { Subset } from "./store.ts";
import type { Dims3 } from "./volume.ts";

/** What to load and how far ahead. */
export interface LoaderOptions {
  /** Folder of the store. */
  readonly store: string;
  /** Seed of the run. */
  readonly seed: number;
  /** First step; 0 when left out. A resumed run passes the step it continues with. */
  readonly startStep?: number;
  /** Number of steps; endless when left out. */
  readonly steps?: number;
  /** Samples per step. */
  readonly batchSize: number;
  /** Voxels read per sample, z, y, x. */
  readonly cropSize: Dims3;
  /** Voxels that remain after augmentation; it widens the range of positions. `cropSize` when left out. */
  readonly finalSize?: Dims3;
  /** Threads; 2 when left out, 0 reads on the calling thread. */
  readonly workers?: number;
  /** Steps read ahead; 2 when left out. Bounds memory to `prefetch * batchSize` crops. */
  readonly prefetch?: number;
  /** "train" when left out. */
  readonly subset?: Subset;
  /** Uniform over images and positions when left out. */
  readonly sampling?: Sampling;
}

/** Samples in order of step, then of index in the batch; leaving the loop, `close` or `using` ends the workers. */
export interface PatchLoader extends AsyncIterable<LoadedPatch>, Disposable {
  /** Samples that are read and wait to be handed out: 0 means that the next reader will wait. */
  readonly ready: number;
  /** Ends the workers; a waiting reader sees the end of the sequence. */
  close(): void;
}

/**
 * Loads crops of a prepared data set on worker threads. The sequence depends on store, seed, sizes, sampling and `startStep` alone,
 * never on the number of workers or on timing. Samples are drawn here, so that only this thread holds the store's index.
 *
 * @throws {DataError} at once when the store is missing or the subset empty; while iterating when an array is missing or damaged
 * @throws {RangeError} for sizes or counts that are not positive integers, or a crop smaller than the patch
 */
export function createLoader(options: LoaderOptions): PatchLoader {
  const { batchSize, prefetch = 2, workers = 2, startStep = 0, steps = Infinity } = options;
  const subset = options.subset ?? "train", finalSize = options.finalSize ?? options.cropSize;
  for (const value of [batchSize, prefetch, ...options.cropSize, ...finalSize]) requireCount(value, 1);
  requireCount(workers, 0);
  requireCount(startStep, 0);
  if (steps !== Infinity) requireCount(steps, 0);
  const source: SampleSource = {
    store: options.store,
    subset,
    seed: options.seed,
    cropSize: options.cropSize,
    finalSize,
    sampling: options.sampling ?? UNIFORM_SAMPLING,
  };
  const planner = new SamplePlanner(source);
  if (planner.volumeCount === 0) {
    const wanted = "at least one subject",
      remedy = "prepare more images, or remove splits_final.json to split again";
    throw new DataError({ file: options.store, found: `no subject for ${subset}`, wanted, remedy });
  }
  const count = steps * batchSize;
  const place = (sequence: number) => ({
    step: startStep + Math.floor(sequence / batchSize),
    sampleIndex: sequence % batchSize,
  });
  return workers === 0
    ? new InlineLoader(planner, count, place)
    : new WorkerLoader(planner, Math.min(workers, count), prefetch * batchSize, count, place);
}

function requireCount(value: number, lowest: number): void {
  if (Number.isSafeInteger(value) && value >= lowest) return;
  throw new RangeError(`Cannot load samples: found ${value}, wanted an integer of ${lowest} or more`);
}

type Place = (sequence: number) => { step: number; sampleIndex: number };

class InlineLoader implements PatchLoader {
  readonly ready = 0;
  #closed = false;

  constructor(readonly planner: SamplePlanner, readonly count: number, readonly place: Place) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<LoadedPatch> {
    using reader = new SampleReader(this.planner);
    for (let sequence = 0; sequence < this.count && !this.#closed; sequence++) {
      const { step, sampleIndex } = this.place(sequence);
      yield await Promise.resolve(reader.read(step, sampleIndex));
    }
  }

  close(): void {
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class WorkerLoader implements PatchLoader {
  readonly #workers: Worker[];
  readonly #ready = new Map<number, LoadedPatch>();
  #requested = 0;
  #failure: Error | null = null;
  #closed = false;
  #wake: () => void = () => {};

  /** @param credits most samples requested and not yet handed out */
  constructor(
    readonly planner: SamplePlanner,
    workers: number,
    readonly credits: number,
    readonly count: number,
    readonly place: Place,
  ) {
    const url = new URL("./loader_worker.ts", import.meta.url);
    this.#workers = Array.from({ length: workers }, () => {
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }: MessageEvent<LoaderReply>) => this.#receive(data);
      worker.onerror = (event) => {
        event.preventDefault();
        const remedy = "report this as a bug, or load with 0 workers";
        this.#fail(
          new DataError({
            file: planner.source.store,
            found: `a worker that failed: ${event.message}`,
            wanted: "samples",
            remedy,
          }),
        );
      };
      worker.postMessage({ type: "open", source: planner.source } satisfies LoaderRequest);
      return worker;
    });
    for (let i = 0; i < Math.min(credits, count); i++) this.#request();
  }

  get ready(): number {
    return this.#ready.size;
  }

  #request(): void {
    if (this.#closed || this.#requested >= this.count) return;
    const sequence = this.#requested++;
    const { step, sampleIndex } = this.place(sequence);
    const request: LoaderRequest = { type: "read", sequence, sample: this.planner.plan(step, sampleIndex) };
    this.#workers[sequence % this.#workers.length].postMessage(request);
  }

  #receive(reply: LoaderReply): void {
    if (reply.type === "error") return this.#fail(new DataError(reply.fields));
    this.#ready.set(reply.sequence, reply.sample);
    this.#wake();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<LoadedPatch> {
    try {
      for (let sequence = 0; sequence < this.count; sequence++) {
        while (!this.#ready.has(sequence) && !this.#failure && !this.#closed) {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
        if (this.#closed) return;
        const sample = this.#ready.get(sequence);
        if (!sample) throw this.#failure!; // samples that are already here are handed out first
        this.#ready.delete(sequence);
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
