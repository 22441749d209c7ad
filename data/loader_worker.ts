/// <reference lib="deno.worker" />
/** Worker of `loadSamples`: reads the samples that it is told, without the store's index. */
import { type DataErrorFields, toDataError } from "./errors.ts";
import { CropReader, type CropSource } from "./labelled/load_crop.ts";
import { PatchReader, type SampleSource } from "./load_sample.ts";
import type { SampleReading } from "./sample_loader.ts";

/** What a worker reads samples of: crops of an unlabelled store, or of a labelled one. */
export type ReaderSource =
  | { readonly kind: "patch" } & SampleSource
  | { readonly kind: "crop" } & CropSource;

/** Messages to the worker: the source once, then samples. */
export type LoaderRequest<Planned> =
  | { readonly type: "open"; readonly source: ReaderSource }
  | { readonly type: "read"; readonly position: number; readonly planned: Planned };

/** Messages from the worker; `position` is that of the request. */
export type LoaderReply<Sample> =
  | { readonly type: "sample"; readonly position: number; readonly sample: Sample }
  | { readonly type: "error"; readonly fields: DataErrorFields };

let source: ReaderSource;
let reader: SampleReading<unknown, object>;

self.onmessage = ({ data }: MessageEvent<LoaderRequest<unknown>>) => {
  if (data.type === "open") {
    source = data.source;
    reader = (source.kind === "patch" ? new PatchReader(source) : new CropReader(source)) as typeof reader;
    return;
  }
  try {
    const sample = reader.read(data.planned);
    const buffers = Object.values(sample).flatMap((
      value,
    ) => (value instanceof Float32Array ? [value.buffer] : []));
    self.postMessage(
      { type: "sample", position: data.position, sample } satisfies LoaderReply<object>,
      buffers,
    );
  } catch (error) {
    self.postMessage(
      { type: "error", fields: toDataError(error, source.store).fields() } satisfies LoaderReply<object>,
    );
  }
};
