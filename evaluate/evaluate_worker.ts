/// <reference lib="deno.worker" />
/** Worker of `evaluatePairs`: evaluates one pair of files after the other on its own thread. */
import { DataError, type DataErrorFields } from "../data/errors.ts";
import { evaluatePair, type PairSettings } from "./evaluate_pair.ts";
import type { FilePair } from "./match_files.ts";
import type { EvaluatedCase } from "./types.ts";

/** Messages to the worker: settings once, then pairs. */
export type PairRequest =
  | { readonly type: "open"; readonly settings: PairSettings }
  | { readonly type: "pair"; readonly pair: FilePair };

/** Messages from the worker, one a pair. */
export type PairReply =
  | { readonly type: "evaluated"; readonly result: EvaluatedCase }
  | { readonly type: "failed"; readonly fields?: DataErrorFields; readonly message: string };

let settings: PairSettings;

self.onmessage = async ({ data }: MessageEvent<PairRequest>) => {
  if (data.type === "open") {
    settings = data.settings;
    return;
  }
  try {
    const result = await evaluatePair(data.pair, settings);
    self.postMessage({ type: "evaluated", result } satisfies PairReply);
  } catch (error) {
    const message = error instanceof Error ? error.stack ?? error.message : String(error);
    const fields = error instanceof DataError ? { fields: error.fields() } : {};
    self.postMessage({ type: "failed", message, ...fields } satisfies PairReply);
  }
};
