import { DataError } from "./errors.ts";
import { applyAffine, type Vec3, type Volume } from "./volume.ts";

/** Most that a corner of a grid may lie away from another's, in parts of the smallest voxel edge: headers round. */
const CORNER_TOLERANCE = 0.1;

/** A volume's place in the world. */
export type Grid = Pick<Volume, "shape" | "spacing" | "affine">;

/**
 * Refuses a file whose voxels are not those of another file: other numbers, or corners that lie more than a tenth of a voxel apart.
 *
 * @param file path, `kind` what to call it ("a mask") and `grid` its grid
 * @param image path of the file to compare with and `wanted` its grid
 * @param remedy what the user can do
 * @throws {DataError} naming the file
 */
export function requireSameGrid(
  { file, kind, grid }: { readonly file: string; readonly kind: string; readonly grid: Grid },
  { file: image, grid: wanted }: { readonly file: string; readonly grid: Grid },
  remedy: string,
): void {
  if (grid.shape.some((size, axis) => size !== wanted.shape[axis])) {
    const found = `${kind} of ${grid.shape.join("x")} voxels`;
    throw new DataError({ file, found, wanted: `${wanted.shape.join("x")}, as ${image}`, remedy });
  }
  const away = cornerDistance(grid, wanted);
  if (away > CORNER_TOLERANCE * Math.min(...wanted.spacing)) {
    const found = `${kind} that lies up to ${away.toPrecision(3)} mm away from its image`;
    throw new DataError({ file, found, wanted: `the position and spacing of ${image}`, remedy });
  }
}

/** Largest distance in mm between the same corner of two grids. */
function cornerDistance(a: Grid, b: Grid): number {
  let largest = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index: Vec3 = [
      corner & 1 ? a.shape[2] - 1 : 0,
      corner & 2 ? a.shape[1] - 1 : 0,
      corner & 4 ? a.shape[0] - 1 : 0,
    ];
    const [p, q] = [applyAffine(a.affine, index), applyAffine(b.affine, index)];
    largest = Math.max(largest, Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
  }
  return largest;
}
