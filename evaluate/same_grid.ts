import { DataError } from "../data/errors.ts";
import { type Affine, applyAffine, type Dims3, type Vec3 } from "../data/volume.ts";

/** A grid of voxels in the world. */
export interface Grid {
  readonly shape: Dims3;
  readonly spacing: Dims3;
  readonly affine: Affine;
}

/** Most that corresponding corners of two grids may lie apart, as a share of the smallest edge of a voxel. */
const MAX_SHIFT = 0.1;

/**
 * Checks that a prediction lies on the grid of its reference: the same shape, and corners no more than a tenth of a voxel apart.
 *
 * @throws {DataError} naming the prediction and the difference
 */
export function checkSameGrid(file: string, prediction: Grid, reference: Grid): void {
  const fail = (found: string, wanted: string): never => {
    throw new DataError({
      file,
      action: "evaluate",
      found,
      wanted: `${wanted} as its reference has`,
      remedy: "predict in the geometry of the image, or resample the prediction to it",
    });
  };
  const text = (grid: Grid) => `shape ${grid.shape.join("x")}`;
  if (String(prediction.shape) !== String(reference.shape)) fail(text(prediction), text(reference));
  const spacingText = (grid: Grid) =>
    `spacing ${grid.spacing.map((mm) => Number(mm.toFixed(4))).join("x")} mm`;
  const smallest = Math.min(...reference.spacing);
  const apart = cornerDistance(prediction, reference);
  if (!(apart <= MAX_SHIFT * smallest)) {
    const sameSpacing = prediction.spacing.every((mm, axis) =>
      Math.abs(mm - reference.spacing[axis]) <= 1e-3 * reference.spacing[axis]
    );
    if (!sameSpacing) fail(spacingText(prediction), spacingText(reference));
    fail(
      `corners up to ${apart.toPrecision(3)} mm away (origin or direction)`,
      "the same place in the world",
    );
  }
}

/** Largest distance in mm between corresponding corners. */
function cornerDistance(a: Grid, b: Grid): number {
  const [d, h, w] = a.shape;
  let largest = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index: Vec3 = [corner & 1 ? w - 1 : 0, corner & 2 ? h - 1 : 0, corner & 4 ? d - 1 : 0];
    const p = applyAffine(a.affine, index), q = applyAffine(b.affine, index);
    largest = Math.max(largest, Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
  }
  return largest;
}
