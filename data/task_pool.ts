import { DataError, type DataErrorFields } from "./errors.ts";

/** Something to work on; plain values, posted to a worker. */
export interface PoolTask {
  /** File or folder that an error names. */
  readonly file: string;
  /** Most memory it is expected to take, bytes. */
  readonly memoryBytes: number;
}

/** Messages to a worker: settings once, tasks one at a time, and the end. */
export type PoolRequest<Settings, Task> =
  | { readonly type: "open"; readonly settings: Settings }
  | { readonly type: "task"; readonly task: Task }
  | { readonly type: "close" };

/** Messages from a worker. `failed` ends the run: a full disk (`fields`), or a fault of the program (`message`). */
export type PoolReply<Result> =
  | { readonly type: "result"; readonly result: Result }
  | { readonly type: "failed"; readonly fields?: DataErrorFields; readonly message: string }
  | { readonly type: "closed" };

/** How to work on tasks. */
export interface TaskPoolOptions<Settings, Task, Result> {
  readonly settings: Settings;
  /** Threads; 0 works on the calling thread. */
  readonly workers: number;
  /** The tasks in work may take this much together, bytes; one alone may always run. */
  readonly memoryBytes: number;
  /** Module of the workers, one that calls `serveTasks`. */
  readonly url: URL;
  /** Does a task on the calling thread. */
  readonly work: (task: Task, settings: Settings) => Promise<Result>;
  readonly signal?: AbortSignal;
}

/** How long a worker may take to give back what it holds. */
const CLOSE_MS = 5000;

/**
 * Works on tasks on worker threads, in order, several at a time: the next one starts when a thread is free and its memory fits beside
 * that of the tasks in work.
 *
 * @param onResult called for every task in order of completion, with its position in `tasks`; an error it throws ends the run
 * @throws {DataError} when a task cannot go on, as on a full disk; the signal's reason; both after the tasks in work are done
 */
export async function runTasks<Settings, Task extends PoolTask, Result>(
  tasks: readonly Task[],
  options: TaskPoolOptions<Settings, Task, Result>,
  onResult: (index: number, result: Result) => void,
): Promise<void> {
  if (tasks.length === 0) return;
  if (options.workers > 0) return await new TaskPool(tasks, options, onResult).run();
  for (const [index, task] of tasks.entries()) {
    options.signal?.throwIfAborted();
    onResult(index, await options.work(task, options.settings));
  }
}

class TaskPool<Settings, Task extends PoolTask, Result> {
  readonly #workers: Worker[];
  readonly #idle: Worker[] = [];
  /** Position of the task that a worker has. */
  readonly #inWork = new Map<Worker, number>();
  /** Workers that can answer no more. */
  readonly #dead = new Set<Worker>();
  #next = 0;
  #usedBytes = 0;
  #failure: Error | null = null;
  readonly #end = Promise.withResolvers<void>();

  constructor(
    readonly tasks: readonly Task[],
    readonly options: TaskPoolOptions<Settings, Task, Result>,
    readonly onResult: (index: number, result: Result) => void,
  ) {
    const count = Math.min(options.workers, tasks.length);
    this.#workers = Array.from({ length: count }, () => new Worker(options.url, { type: "module" }));
    for (const worker of this.#workers) {
      worker.onmessage = ({ data }: MessageEvent<PoolReply<Result>>) => this.#receive(worker, data);
      worker.onerror = (event) => {
        event.preventDefault();
        this.#dead.add(worker);
        this.#fail(new Error(`Cannot go on: a worker failed: ${event.message}`));
        this.#release(worker);
      };
      this.#post(worker, { type: "open", settings: options.settings });
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
      this.#post(worker, { type: "task", task });
    }
    if (this.#inWork.size > 0) return;
    if (this.#failure) this.#end.reject(this.#failure);
    else if (this.#next === this.tasks.length) this.#end.resolve();
    else if (signal?.aborted) this.#end.reject(signal.reason);
  }

  #post(worker: Worker, request: PoolRequest<Settings, Task>): void {
    worker.postMessage(request);
  }

  #receive(worker: Worker, reply: PoolReply<Result>): void {
    const index = this.#inWork.get(worker);
    if (reply.type === "failed") {
      const { fields, message } = reply;
      this.#fail(fields ? new DataError(fields) : new Error(this.#faultText(index, message)));
    } else if (reply.type !== "closed" && index !== undefined) {
      try {
        this.onResult(index, reply.result);
      } catch (error) {
        this.#fail(error as Error);
      }
    }
    this.#release(worker);
  }

  #faultText(index: number | undefined, message: string): string {
    const file = index === undefined ? "the files" : this.tasks[index].file;
    return `Cannot process ${file}: a fault of this program, please report it: ${message}`;
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
    worker.postMessage({ type: "close" } satisfies PoolRequest<never, never>);
  });
  clearTimeout(timer);
  worker.terminate();
}
