import { DataError } from "./errors.ts";
import { resampledShape } from "./resample.ts";
import { type Dims3, transposed, type Volume, voxelCount } from "./volume.ts";

/**
 * Refuses a target grid that is too large for memory or has an axis without voxels, before anything is computed.
 *
 * @param volume grid before transposing
 * @param target mm along the transposed axes; null keeps the spacing
 * @param maxBytes largest array of float32
 * @throws {DataError} naming the file
 */
export function checkTarget(
  path: string,
  volume: Pick<Volume, "shape" | "spacing">,
  transpose: Dims3,
  target: Dims3 | null,
  maxBytes: number,
): void {
  if (!target) return;
  const shape = resampledShape(
    transposed(volume.shape, transpose),
    transposed(volume.spacing, transpose),
    target,
  );
  const found = `${volume.shape.join("x")} voxels of ${
    volume.spacing.map((step) => step.toPrecision(4)).join(" x ")
  } mm`;
  const becomes = `${shape.join("x")} at ${target.join(" x ")} mm`;
  if (shape.some((size) => size < 1)) {
    const wanted = `at least one voxel per axis after resampling, not ${becomes}`;
    throw new DataError({ file: path, found, wanted, remedy: "check the spacing in the header" });
  }
  if (4 * voxelCount(shape) > maxBytes) {
    const wanted = `at most ${maxBytes} bytes after resampling, not ${becomes}`;
    throw new DataError({
      file: path,
      found,
      wanted,
      remedy: "check the spacing in the header, or choose a coarser target",
    });
  }
}
