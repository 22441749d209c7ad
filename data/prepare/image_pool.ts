import { DataError } from "../errors.ts";
import type { ImageResult, ImageSettings, ImageTask, WorkerReply, WorkerRequest } from "./image_task.ts";
import { prepareImage } from "./prepare_image.ts";

/** How to work on images. */
export interface ImagePoolOptions {
  readonly settings: ImageSettings;
  /** Threads; 0 works on the calling thread. */
  readonly workers: number;
  /** The images in work may take this much together, bytes; one alone may always run. */
  readonly memoryBytes: number;
  /** Module of the workers. */
  readonly url?: URL;
  readonly signal?: AbortSignal;
}

/** How long a worker may take to give back what it holds. */
const CLOSE_MS = 5000;

/**
 * Prepares images on worker threads, in order, several at a time: the next one starts when a thread is free and its memory fits beside
 * that of the images in work.
 *
 * @param onResult called for every image in order of completion, with its position in `tasks`
 * @throws {DataError} when the store cannot be written; the signal's reason; both after the images in work are done
 */
export async function runImages(
  tasks: readonly ImageTask[],
  options: ImagePoolOptions,
  onResult: (index: number, result: ImageResult) => void,
): Promise<void> {
  if (tasks.length === 0) return;
  if (options.workers > 0) return await new ImagePool(tasks, options, onResult).run();
  for (const [index, task] of tasks.entries()) {
    options.signal?.throwIfAborted();
    onResult(index, await prepareImage(task, options.settings));
  }
}

class ImagePool {
  readonly #workers: Worker[];
  readonly #idle: Worker[] = [];
  /** Position of the image that a worker has. */
  readonly #inWork = new Map<Worker, number>();
  /** Workers that can answer no more. */
  readonly #dead = new Set<Worker>();
  #next = 0;
  #usedBytes = 0;
  #failure: Error | null = null;
  readonly #end = Promise.withResolvers<void>();

  constructor(
    readonly tasks: readonly ImageTask[],
    readonly options: ImagePoolOptions,
    readonly onResult: (index: number, result: ImageResult) => void,
  ) {
    const url = options.url ?? new URL("./image_worker.ts", import.meta.url);
    const count = Math.min(options.workers, tasks.length);
    this.#workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
    for (const worker of this.#workers) {
      worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => this.#receive(worker, data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#dead.add(worker);
        this.#fail(new Error(`Cannot prepare images: a worker failed: ${event.message}`));
        this.#release(worker);
      };
      post(worker, { type: "open", settings: options.settings });
      this.#idle.push(worker);
    }
  }

  async run(): Promise<void> {
    const stop = () => this.#fill();
    this.options.signal?.addEventListener("abort", stop);
    try {
      this.#fill();
      await this.#end.promise;
    } finally {
      this.options.signal?.removeEventListener("abort", stop);
      for (const worker of this.#dead) worker.terminate();
      await Promise.all(this.#workers.filter((worker) => !this.#dead.has(worker)).map(closeWorker));
    }
  }

  /** Starts what may start; ends the run when nothing is in work and nothing may start any more. */
  #fill(): void {
    const { memoryBytes, signal } = this.options;
    const stopped = () => this.#failure !== null || signal?.aborted === true;
    while (!stopped() && this.#idle.length > 0 && this.#next < this.tasks.length) {
      const task = this.tasks[this.#next];
      if (this.#inWork.size > 0 && this.#usedBytes + task.memoryBytes > memoryBytes) break;
      const worker = this.#idle.pop()!;
      this.#inWork.set(worker, this.#next++);
      this.#usedBytes += task.memoryBytes;
      post(worker, { type: "image", task });
    }
    if (this.#inWork.size > 0) return;
    if (this.#failure) this.#end.reject(this.#failure);
    else if (this.#next === this.tasks.length) this.#end.resolve();
    else if (signal?.aborted) this.#end.reject(signal.reason);
  }

  #receive(worker: Worker, reply: WorkerReply): void {
    const index = this.#inWork.get(worker);
    if (reply.type === "failed") {
      const { fields, message } = reply;
      this.#fail(fields ? new DataError(fields) : new Error(this.#faultText(index, message)));
    } else if (reply.type !== "closed" && index !== undefined) {
      try {
        this.onResult(index, reply);
      } catch (error) {
        this.#fail(error as Error);
      }
    }
    this.#release(worker);
  }

  #faultText(index: number | undefined, message: string): string {
    const file = index === undefined ? "images" : this.tasks[index].file;
    return `Cannot prepare ${file}: a fault of this program, please report it: ${message}`;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }

  #release(worker: Worker): void {
    const index = this.#inWork.get(worker);
    if (index !== undefined) {
      this.#inWork.delete(worker);
      this.#usedBytes -= this.tasks[index].memoryBytes;
      this.#idle.push(worker);
    }
    this.#fill();
  }
}

function post(worker: Worker, request: WorkerRequest): void {
  worker.postMessage(request);
}

/** Lets a worker give back what it holds, then ends it. */
async function closeWorker(worker: Worker): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await new Promise<void>((resolve) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      resolve();
    };
    timer = setTimeout(resolve, CLOSE_MS);
    post(worker, { type: "close" });
  });
  clearTimeout(timer);
  worker.terminate();
}
