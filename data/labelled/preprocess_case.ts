import type { ConfigurationPlan, Plans } from "../nnunet/plans.ts";
import type { ImageResampler } from "../preprocess_array.ts";
import type { Dims3 } from "../volume.ts";
import type { CaseGeometry } from "./case_geometry.ts";

/** One case and the plan to preprocess it by. */
export interface PreprocessCaseOptions {
  /** Files of the channels, in order of the data set's `channel_names`. */
  readonly images: readonly string[];
  /** File of the label map; none for prediction. */
  readonly label?: string;
  readonly plans: Plans;
  readonly configuration: ConfigurationPlan;
  /** What resamples the image, `resampleImage` when left out; used for order 3 with order 0 along a separate axis only. */
  readonly resampler?: ImageResampler;
  /** Largest number of bytes of one decompressed file, and of one preprocessed channel as float32; 4 GiB when left out. */
  readonly maxBytes?: number;
}

/** A case on the grid and intensity scale of a plan. */
export interface PreprocessedCase {
  /** `[C, D, H, W]`, normalised. */
  readonly image: Float32Array;
  /** `[D, H, W]`, -1 outside the filled non-zero mask. */
  readonly label?: Int16Array;
  readonly shape: Dims3;
  /** mm along the array axes. */
  readonly spacing: Dims3;
  readonly geometry: CaseGeometry;
}

/**
 * Reads a case and brings it to a plan: orientation, transposition, crop to non-zero, normalisation of every channel by its scheme,
 * resampling.
 *
 * @throws {DataError} when a file cannot be read, lies on another grid than the first channel, holds NaN or infinite values, or labels
 * that are no integers of 16 bits; when every channel is zero everywhere, or the grid would become too large or vanish
 * Source: `DefaultPreprocessor.run_case` of nnU-Net v2
 */
export function preprocessCase(_options: PreprocessCaseOptions): Promise<PreprocessedCase> {
  throw new Error("Cannot preprocess a case: in work");
}
