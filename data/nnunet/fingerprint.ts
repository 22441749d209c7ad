import type { Dims3 } from "../volume.ts";
import type { IntensityProperties } from "./plans.ts";

/** Content of dataset_fingerprint.json, as nnU-Net v2 writes it; array order (z, y, x) of the files. */
export interface LabelledFingerprint {
  /** mm, one a case. */
  readonly spacings: readonly Dims3[];
  /** Voxels after cropping to the non-zero part, one a case. */
  readonly shapes_after_crop: readonly Dims3[];
  /** Foreground intensities by channel index, as text. */
  readonly foreground_intensity_properties_per_channel: Readonly<Record<string, IntensityProperties>>;
  /** Median over the cases of voxels after cropping / voxels before. */
  readonly median_relative_size_after_cropping: number;
}
