/// <reference lib="deno.worker" />
/** Worker that reads and preprocesses scans and writes segmentations while the GPU computes others. */
import { DataError, type DataErrorFields } from "../../data/errors.ts";
import { writeLabelMap } from "../../data/formats/nifti/write_label_map.ts";
import type { CaseGeometry } from "../../data/labelled/case_geometry.ts";
import { preprocessCase, type PreprocessCaseOptions } from "../../data/labelled/preprocess_case.ts";

/** Messages to the worker, one at a time. */
export type CaseRequest =
  | ({ readonly type: "read" } & Pick<PreprocessCaseOptions, "images" | "plans" | "configuration">)
  | {
    readonly type: "write";
    readonly path: string;
    readonly labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
    readonly grid: CaseGeometry["file"];
  };

/** A scan that can be segmented. */
export interface ReadCase {
  /** `[C, ...geometry.shape]`, normalised. */
  readonly image: Float32Array;
  readonly geometry: CaseGeometry;
}

/** Answers of the worker. */
export type CaseReply =
  | ({ readonly type: "read" } & ReadCase)
  | { readonly type: "written" }
  | { readonly type: "failed"; readonly fields?: DataErrorFields; readonly message: string };

const scope = self as unknown as DedicatedWorkerGlobalScope;

scope.onmessage = async ({ data }: MessageEvent<CaseRequest>) => {
  try {
    if (data.type === "write") {
      await writeLabelMap(data.path, data.labels, data.grid);
      scope.postMessage({ type: "written" } satisfies CaseReply);
      return;
    }
    const { image, geometry } = await preprocessCase(data);
    scope.postMessage(
      { type: "read", image, geometry } satisfies CaseReply,
      image.buffer instanceof ArrayBuffer ? [image.buffer] : [],
    );
  } catch (error) {
    const fields = error instanceof DataError ? error.fields() : undefined;
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage({ type: "failed", ...(fields ? { fields } : {}), message } satisfies CaseReply);
  }
};
