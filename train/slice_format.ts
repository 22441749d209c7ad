/**
 * Slices of the fixed validation patches in a run folder: files that a page can read and draw.
 *
 * `slices/reference.safetensors`, written once: for each array axis that is cut in the middle (0 = D, 1 = H, 2 = W)
 * `original.<axis>` F16 `[P, rows, columns]`, z-scored intensities, and `visible.<axis>` U8 of the same shape, 1 where the network
 * may look. P = patches; rows and columns are the two other axes in order, so `original.1` is `[P, D, W]`. Metadata
 * `{format, reference}`, where `reference` is the JSON of a {@linkcode SliceReference}.
 *
 * `slices/step_00000250.safetensors`, after the step of that number: `reconstruction.<axis>` F16 `[P, rows, columns]`, the raw output
 * of the network, visible places included. Metadata `{format, step, valLoss}`. Where a run went on with another number of patches, P
 * differs from the reference's, and the first patches of both are the same.
 */
import type { Dims3 } from "../data/volume.ts";

/** Value of `format` in the metadata of both kinds of files. */
export const SLICES_FORMAT = "spark3d-slices-1";

/** One patch of the reference file. */
export interface SlicePatch {
  /** Id of the volume. */
  readonly case: string;
  /** First voxel of the patch in the prepared volume, z, y, x. */
  readonly start: Dims3;
  /** Size of a voxel along D, H, W, mm. */
  readonly spacingMm: Dims3;
}

/** What the reference file's metadata say of its tensors. */
export interface SliceReference {
  /** Voxels of a patch `[D, H, W]`. */
  readonly shape: Dims3;
  /** Index of the slice that is cut along each array axis. */
  readonly index: Dims3;
  /** Where x, y, z (array axes 2, 1, 0) point, for example "RAS"; null where every volume has axes of its own. */
  readonly orientation: string | null;
  readonly patches: readonly SlicePatch[];
}
