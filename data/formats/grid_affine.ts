import { DataError } from "../errors.ts";
import { type Affine, affineDeterminant, columnNorms } from "../volume.ts";

/** Signs that turn world axes of left, posterior, superior into those of `Affine`: right, anterior, superior. */
export const LPS_SIGNS = [-1, -1, 1] as const;

/**
 * Affine of a grid given by steps and origin.
 *
 * @param steps for each index axis x, y, z the step in the world, mm
 * @param origin world position of voxel 0, mm
 * @param signs of the world axes, `LPS_SIGNS` for files that count to the left and back
 * @throws {DataError} when the steps do not span three dimensions
 */
export function gridAffine(
  file: string,
  steps: readonly (readonly number[])[],
  origin: readonly number[],
  signs: readonly number[],
): Affine {
  const row = (axis: number) =>
    [...steps.map((step) => step[axis]), origin[axis]].map((x) => x * signs[axis] + 0);
  const affine = [...row(0), ...row(1), ...row(2), 0, 0, 0, 1];
  const norms = columnNorms(affine);
  const volume = Math.abs(affineDeterminant(affine));
  if (!affine.every(Number.isFinite) || !(volume > 1e-6 * norms[0] * norms[1] * norms[2])) {
    throw new DataError({
      file,
      found: `axes ${steps.map((step) => `(${step.join(", ")})`).join(" ")} at (${origin.join(", ")})`,
      wanted: "three independent axes of finite steps",
      remedy: "correct the spacing and directions in the header",
    });
  }
  return affine;
}
