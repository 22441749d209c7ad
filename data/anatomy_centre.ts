import { DataError } from "./errors.ts";
import type { Rng } from "./random.ts";
import type { Dims3 } from "./volume.ts";
import type { ZarrArray } from "./zarr/mod.ts";

/**
 * Draws a voxel uniformly from those inside an anatomy mask, which are above 0 (-1 lies outside the image). The mask's attributes tell
 * how many there are in every slice, so that a single slice is read.
 *
 * The reference takes voxels whose stored mask is *not* 1, of a file that may hold the other mask; inside the anatomy is what is meant.
 *
 * @returns index along z, y, x; null when the mask is empty
 * @throws {DataError} when the mask cannot be read or its counts do not belong to it
 */
export function drawAnatomyCentre(random: Rng, mask: ZarrArray): Dims3 | null {
  const counts = mask.metadata.positivePerSlice;
  if (!counts) throw wrongCounts(mask, "no counts of labelled voxels");
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let rank = random.int(0, total - 1), z = 0;
  while (rank >= counts[z]) rank -= counts[z++];
  const [, h, w] = mask.shape;
  const slice = mask.readBox([z, 0, 0], [1, h, w]);
  for (let i = 0; i < slice.length; i++) {
    if (slice[i] > 0 && rank-- === 0) return [z, Math.floor(i / w), i % w];
  }
  throw wrongCounts(mask, `fewer labelled voxels in slice ${z} than counted`);
}

function wrongCounts(mask: ZarrArray, found: string): DataError {
  const wanted = "a mask with the number of labelled voxels of every slice";
  return new DataError({ file: mask.path, found, wanted, remedy: "remove the array and prepare it again" });
}
