/** What predicting many scans takes and gives. */
import type { AdapterChoice } from "../../kernels/runtime/provider.ts";
import type { FinetunedModel } from "../finetune/checkpoint.ts";

/** One scan to segment. */
export interface PredictionCase {
  /** Name of the segmentation file, without ending. */
  readonly id: string;
  /** Files of the channels, in order of the model's `channel_names`. */
  readonly images: readonly string[];
}

/** A segmentation on the grid of its scan, as post-processing sees and changes it. */
export interface Segmentation {
  readonly id: string;
  /** `[D, H, W]` in the order of the file; changed in place. */
  readonly labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  readonly shape: readonly [d: number, h: number, w: number];
  /** mm along the axes of the array. */
  readonly spacing: readonly [d: number, h: number, w: number];
}

/** How far a prediction is. */
export interface PredictionProgress {
  /** `read`: preprocessed; `window`: `done` of `total` windows of this scan; `written`; `failed`: `message` says why. */
  readonly kind: "read" | "window" | "written" | "failed";
  readonly id: string;
  /** Scans written or failed, and scans in all. */
  readonly finished: number;
  readonly cases: number;
  readonly done?: number;
  readonly total?: number;
  readonly message?: string;
}

/** What `predictCases` takes. */
export interface PredictCasesOptions {
  /** One model, or the folds of an ensemble: same patch, same network, same plan. */
  readonly models: readonly FinetunedModel[];
  readonly cases: readonly PredictionCase[];
  /** Folder of the segmentations, `<id>.nii.gz`. */
  readonly out: string;
  readonly adapter?: AdapterChoice;
  /** Average over the mirrored windows of the axes that training mirrored; true when left out. */
  readonly mirror?: boolean;
  /** Distance of windows as a share of the patch, 0.5 when left out. */
  readonly step?: number;
  /** Scans that are read, computed or written at the same time, 3 when left out; results do not depend on it. */
  readonly jobs?: number;
  /** Host memory that scans in work may take together, bytes; 6 GiB when left out. One scan alone may always run. */
  readonly memoryBytes?: number;
  /** Device memory, bytes; 4 GiB when left out. Results do not depend on it. */
  readonly gpuMemoryBytes?: number;
  /** Windows queued before the host waits for the GPU, 4 when left out; results do not depend on it. */
  readonly windowBatch?: number;
  /** Storage of activations; `auto` when left out: f16 on GPUs that have it. */
  readonly precision?: "f32" | "f16" | "auto";
  /** Also write `<id>.safetensors` with the probabilities. */
  readonly saveProbabilities?: boolean;
  /** Changes a segmentation before it is written. */
  readonly postprocess?: (segmentation: Segmentation) => void | Promise<void>;
  readonly onProgress?: (progress: PredictionProgress) => void;
  readonly signal?: AbortSignal;
}

/** What became of one scan. */
export interface PredictedCase {
  readonly id: string;
  readonly path: string;
  readonly shape: readonly [d: number, h: number, w: number];
  readonly windows: number;
  readonly seconds: number;
}

/** What came out of `predictCases`. */
export interface PredictionSummary {
  readonly out: string;
  readonly cases: readonly PredictedCase[];
  /** Scans that could not be read or segmented; the others went on. */
  readonly failed: readonly { readonly id: string; readonly message: string }[];
}
