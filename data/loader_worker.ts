/// <reference lib="deno.worker" />
/** Worker of `createLoader`: opens the store once, then answers one message per requested sample. */
import { type DataErrorFields, toDataError } from "./errors.ts";
import { type LoadedPatch, SampleReader, type SampleSource } from "./load_sample.ts";

/** Messages to the worker: the source once, then samples. */
export type LoaderRequest =
  | { readonly type: "open"; readonly source: SampleSource }
  | { readonly type: "read"; readonly sequence: number; readonly step: number; readonly sampleIndex: number };

/** Messages from the worker; `sequence` is that of the request. */
export type LoaderReply =
  | { readonly type: "sample"; readonly sequence: number; readonly sample: LoadedPatch }
  | { readonly type: "error"; readonly fields: DataErrorFields };

let reader: SampleReader | null = null;
let store = "";

self.onmessage = ({ data }: MessageEvent<LoaderRequest>) => {
  try {
    if (data.type === "open") {
      store = data.source.store;
      reader = new SampleReader(data.source);
      return;
    }
    if (!reader) return; // opening failed and was reported
    const sample = reader.read(data.step, data.sampleIndex);
    self.postMessage({ type: "sample", sequence: data.sequence, sample } satisfies LoaderReply, [
      sample.patch.buffer,
    ]);
  } catch (error) {
    self.postMessage({ type: "error", fields: toDataError(error, store).fields() } satisfies LoaderReply);
  }
};
