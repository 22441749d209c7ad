/// <reference lib="deno.worker" />
/** Both ends of a run's GPU thread: it trains and posts events, so that the thread that started it stays responsive. */
import type { StopReason, TrainEvent, TrainEventListener } from "./events.ts";

/** Messages to a GPU thread. */
type ThreadRequest<Run> =
  | { readonly type: "run"; readonly run: Run }
  | { readonly type: "stop"; readonly reason: StopReason };

/** Messages from a GPU thread. */
type ThreadReply<Summary> =
  | { readonly type: "event"; readonly event: TrainEvent }
  | { readonly type: "done"; readonly summary: Summary }
  | { readonly type: "error"; readonly name: string; readonly message: string };

/** What a run on a GPU thread reports through. */
export interface ThreadContext {
  readonly emit: (event: TrainEvent) => void;
  readonly stopReason: () => StopReason | null;
}

/** Makes the calling worker a GPU thread: it does one run when told to. */
export function serveRun<Run, Summary>(run: (request: Run & ThreadContext) => Promise<Summary>): void {
  const scope = self as unknown as DedicatedWorkerGlobalScope;
  const reply = (message: ThreadReply<Summary>) => scope.postMessage(message);
  let stop: StopReason | null = null;
  const start = async (request: Run) => {
    try {
      const summary = await run({
        ...request,
        emit: (event) => reply({ type: "event", event }),
        stopReason: () => stop,
      });
      reply({ type: "done", summary });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      reply({ type: "error", name, message });
    }
  };
  scope.onmessage = ({ data }: MessageEvent<ThreadRequest<Run>>) => {
    if (data.type === "stop") stop = data.reason;
    else start(data.run);
  };
}

/**
 * Time for a terminated GPU thread to end. Deno ends it in the background, and a process that exits meanwhile unloads the
 * driver under it: on lavapipe 18 of 360 exits crashed, none of 300 after a pause of 150 ms.
 */
const THREAD_END_MS = 400;

/** What {@linkcode runOnThread} needs. */
export interface ThreadOptions<Run> {
  /** Module that calls {@linkcode serveRun}. */
  readonly module: URL;
  /** Plain data for the run. */
  readonly run: Run;
  readonly signal?: AbortSignal;
  readonly onEvent?: TrainEventListener;
  /** The error for a run that failed: name and message are those of the original. */
  readonly failure: (name: string, message: string) => Error;
}

/** Starts a GPU thread, passes its events on, and ends it when its run has ended. @returns the run's summary */
export function runOnThread<Run, Summary>(options: ThreadOptions<Run>): Promise<Summary> {
  const { run, signal, failure } = options;
  const worker = new Worker(options.module, { type: "module" });
  const post = (message: ThreadRequest<Run>) => worker.postMessage(message);
  const stop = () => post({ type: "stop", reason: stopReason(signal?.reason) });
  return new Promise<Summary>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<ThreadReply<Summary>>) => {
      if (data.type === "event") options.onEvent?.(data.event);
      else if (data.type === "done") resolve(data.summary);
      else reject(failure(data.name, data.message));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(failure("Error", `The GPU thread failed: ${event.message}`));
    };
    signal?.addEventListener("abort", stop);
    post({ type: "run", run });
    if (signal?.aborted) stop();
  }).finally(async () => {
    signal?.removeEventListener("abort", stop);
    worker.terminate();
    await new Promise((done) => setTimeout(done, THREAD_END_MS));
  });
}

function stopReason(reason: unknown): StopReason {
  const text = reason instanceof Error ? `${reason.name} ${reason.message}` : String(reason);
  return text.includes("SIGTERM") ? "SIGTERM" : text.includes("SIGINT") ? "SIGINT" : "abort";
}
