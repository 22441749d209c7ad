/// <reference lib="deno.worker" />
/** Worker of `createLoader`: reads the samples that it is told, without the store's index. */
import { ArrayCache } from "./array_cache.ts";
import { type DataErrorFields, toDataError } from "./errors.ts";
import { type LoadedPatch, type PlannedSample, readSample, type SampleSource } from "./load_sample.ts";

/** Messages to the worker: the source once, then samples. */
export type LoaderRequest =
  | { readonly type: "open"; readonly source: SampleSource }
  | { readonly type: "read"; readonly sequence: number; readonly sample: PlannedSample };

/** Messages from the worker; `sequence` is that of the request. */
export type LoaderReply =
  | { readonly type: "sample"; readonly sequence: number; readonly sample: LoadedPatch }
  | { readonly type: "error"; readonly fields: DataErrorFields };

let source: SampleSource;
let arrays: ArrayCache;

self.onmessage = ({ data }: MessageEvent<LoaderRequest>) => {
  if (data.type === "open") {
    source = data.source;
    arrays = new ArrayCache(source.store);
    return;
  }
  try {
    const sample = readSample(data.sample, source, arrays);
    self.postMessage({ type: "sample", sequence: data.sequence, sample } satisfies LoaderReply, [
      sample.patch.buffer,
    ]);
  } catch (error) {
    self.postMessage(
      { type: "error", fields: toDataError(error, source.store).fields() } satisfies LoaderReply,
    );
  }
};
