import { DataError } from "./errors.ts";
import type { PoolReply, PoolRequest } from "./task_pool.ts";

/** The messages that a worker thread of `runTasks` sends and receives. */
export interface TaskScope<Settings, Task, Result> {
  onmessage: ((event: MessageEvent<PoolRequest<Settings, Task>>) => void) | null;
  postMessage(reply: PoolReply<Result>): void;
}

/** What works on tasks, with something to give back at the end. */
export interface TaskServer<Task, Result> {
  readonly work: (task: Task) => Promise<Result>;
  close?(): void | Promise<void>;
}

/**
 * Answers the messages of `runTasks` on a worker thread; a worker module calls this once with its global scope.
 *
 * @param open called once with the settings, before the first task
 */
export function serveTasks<Settings, Task, Result>(
  scope: TaskScope<Settings, Task, Result>,
  open: (settings: Settings) => Promise<TaskServer<Task, Result>>,
): void {
  let server: Promise<TaskServer<Task, Result>> | undefined;
  scope.onmessage = async ({ data }) => {
    try {
      if (data.type === "open") {
        server = open(data.settings);
        await server;
      } else if (data.type === "task") {
        const { work } = await server!;
        scope.postMessage({ type: "result", result: await work(data.task) });
      } else {
        await (await server)?.close?.();
        scope.postMessage({ type: "closed" });
      }
    } catch (error) {
      scope.postMessage(failure(error));
    }
  };
}

/** An error that ends the run, as plain values. */
function failure(error: unknown): PoolReply<never> {
  const message = error instanceof Error ? error.stack ?? error.message : String(error);
  return { type: "failed", message, ...(error instanceof DataError ? { fields: error.fields() } : {}) };
}
