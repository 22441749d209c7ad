import { readImageHeader } from "../../data/formats/read_image_header.ts";
import { resampledShape } from "../../data/resample.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";
import type { FinetunedModel } from "../finetune/checkpoint.ts";

/** Copies of all channels that preprocessing holds at once: as read, transposed, cropped. */
const COPIES = 3;
/** Copies of the resampled channels: the result, and steps of one of them. */
const RESAMPLED_COPIES = 2;

/**
 * Host memory that reading and preprocessing a scan takes at most, bytes, from the headers of its files.
 *
 * @throws {DataError} (rejects) when a header cannot be read
 */
export async function caseBytes(
  images: readonly string[],
  { plans, configuration }: Pick<FinetunedModel, "plans" | "configuration">,
): Promise<number> {
  const { shape, spacing } = await readImageHeader(images[0]);
  const [a, b, c] = plans.transpose_forward;
  const along = (values: Dims3): Dims3 => [values[a], values[b], values[c]];
  const target = configuration.spacing ?? along(spacing);
  const resampled = resampledShape(along(shape), along(spacing), target);
  const unchanged = resampled.every((size, axis) => size === along(shape)[axis]);
  const read = COPIES * voxelCount(shape), made = unchanged ? 0 : RESAMPLED_COPIES * voxelCount(resampled);
  return 4 * images.length * (read + made);
}
