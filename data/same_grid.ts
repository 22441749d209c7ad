import { DataError } from "./errors.ts";
import { applyAffine, type Vec3, type Volume } from "./volume.ts";

/** Most that a corner of a grid may lie away from another's, in parts of the smallest voxel edge: headers round. */
const CORNER_TOLERANCE = 0.1;

/** Relative difference from which on spacings are told apart. */
const SPACING_TOLERANCE = 1e-3;

/** A volume's place in the world. */
export type Grid = Pick<Volume, "shape" | "spacing" | "affine">;

/**
 * Refuses a file whose voxels are not those of another file: other numbers, or corners that lie more than a tenth of a voxel apart.
 *
 * @param file path, `kind` what to call it ("a mask") and `grid` its grid
 * @param image path of the file to compare with and `wanted` its grid
 * @param remedy what the user can do
 * @param action verb of the message; "read" when left out
 * @throws {DataError} naming the file
 */
export function requireSameGrid(
  { file, kind, grid }: { readonly file: string; readonly kind: string; readonly grid: Grid },
  { file: image, grid: wanted }: { readonly file: string; readonly grid: Grid },
  remedy: string,
  action?: string,
): void {
  if (grid.shape.some((size, axis) => size !== wanted.shape[axis])) {
    const found = `${kind} of ${grid.shape.join("x")} voxels`;
    throw new DataError({ file, action, found, wanted: `${wanted.shape.join("x")}, as ${image}`, remedy });
  }
  const away = cornerDistance(grid, wanted);
  if (away <= CORNER_TOLERANCE * Math.min(...wanted.spacing)) return;
  if (grid.spacing.some((mm, axis) => Math.abs(mm - wanted.spacing[axis]) > SPACING_TOLERANCE * mm)) {
    const found = `${kind} with voxels of ${spacingText(grid)} mm`;
    throw new DataError({ file, action, found, wanted: `${spacingText(wanted)} mm, as ${image}`, remedy });
  }
  const found = `${kind} that lies up to ${away.toPrecision(3)} mm away from ${image}`;
  throw new DataError({ file, action, found, wanted: "the same origin and direction", remedy });
}

function spacingText({ spacing }: Grid): string {
  return spacing.map((mm) => Number(mm.toPrecision(5))).join(" x ");
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
