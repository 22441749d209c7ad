/// <reference lib="deno.worker" />
/** Worker that owns the GPU of a run: it trains and posts events, so that the main thread stays responsive. */
import type { AdapterChoice } from "../kernels/runtime/device.ts";
import type { RunConfig } from "./config.ts";
import type { StopReason, TrainEvent } from "./events.ts";
import { runTraining } from "./loop.ts";
import type { RunSummary } from "./run_folder.ts";

/** Messages to the worker. */
export type WorkerRequest =
  | {
    readonly type: "run";
    readonly config: RunConfig;
    readonly store: string;
    readonly out: string;
    readonly resume: boolean;
    readonly adapter: AdapterChoice;
  }
  | { readonly type: "stop"; readonly reason: StopReason };

/** Messages from the worker. */
export type WorkerReply =
  | { readonly type: "event"; readonly event: TrainEvent }
  | { readonly type: "done"; readonly summary: RunSummary }
  | { readonly type: "error"; readonly name: string; readonly message: string };

const scope = self as unknown as DedicatedWorkerGlobalScope;
let stop: StopReason | null = null;

scope.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
  if (data.type === "stop") stop = data.reason;
  else run(data);
};

async function run(request: Extract<WorkerRequest, { type: "run" }>): Promise<void> {
  const reply = (message: WorkerReply) => scope.postMessage(message);
  try {
    const summary = await runTraining({
      ...request,
      emit: (event) => reply({ type: "event", event }),
      stopReason: () => stop,
    });
    reply({ type: "done", summary });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    reply({ type: "error", name, message });
  }
}
