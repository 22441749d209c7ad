import type { NiftiGeometry } from "./formats/nifti/header.ts";

/** Three numbers in array order: z (slowest), y, x (fastest). */
export type Dims3 = readonly [d: number, h: number, w: number];
/** Three numbers in world or file order: x, y, z. */
export type Vec3 = readonly [x: number, y: number, z: number];
/**
 * 4x4 matrix, row-major, 16 numbers: voxel index (i, j, k) = (x index, y index, z index) to world mm.
 * World axes point right, anterior, superior, as NIfTI defines them.
 */
export type Affine = readonly number[];

/** A 3-D image with its place in the world. */
export interface Volume {
  /** Intensities, `[D, H, W]` in C order (x fastest). */
  readonly data: Float32Array;
  /** `[D, H, W]`: numbers of voxels along z, y, x of the file. */
  readonly shape: Dims3;
  /** mm between voxel centres along z, y, x; always positive. */
  readonly spacing: Dims3;
  /** World position in mm of the centre of voxel 0, (x, y, z). */
  readonly origin: Vec3;
  /** 3x3, row-major: column c is the unit vector in the world of index axis c (x, y, z). */
  readonly direction: readonly number[];
  readonly affine: Affine;
  /** Header fields to write back unchanged, when the volume came from a NIfTI file. */
  readonly nifti?: NiftiGeometry;
}

/** Makes a volume from voxels and an affine; spacing, origin and direction follow from the affine. */
export function makeVolume(data: Float32Array, shape: Dims3, affine: Affine, nifti?: NiftiGeometry): Volume {
  const norms = columnNorms(affine);
  const direction = [0, 1, 2].flatMap((row) =>
    [0, 1, 2].map((column) => affine[4 * row + column] / norms[column])
  );
  return {
    data,
    shape,
    spacing: [norms[2], norms[1], norms[0]],
    origin: [affine[3], affine[7], affine[11]],
    direction,
    affine,
    ...(nifti ? { nifti } : {}),
  };
}

/** Affine without rotation: spacing (z, y, x) in mm on the diagonal, voxel 0 at `origin` (x, y, z). */
export function diagonalAffine(spacing: Dims3, origin: Vec3 = [0, 0, 0]): Affine {
  return [spacing[2], 0, 0, origin[0], 0, spacing[1], 0, origin[1], 0, 0, spacing[0], origin[2], 0, 0, 0, 1];
}

/** Product of two 4x4 matrices, row-major. */
export function multiplyAffine(a: Affine, b: Affine): number[] {
  const product = new Array<number>(16).fill(0);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 4; column++) {
      for (let k = 0; k < 4; k++) product[4 * row + column] += a[4 * row + k] * b[4 * k + column];
    }
  }
  return product;
}

/** World position in mm of a (possibly fractional) voxel index (i, j, k) = (x, y, z). */
export function applyAffine(affine: Affine, index: Vec3): [number, number, number] {
  const at = (row: number) =>
    affine[4 * row] * index[0] + affine[4 * row + 1] * index[1] + affine[4 * row + 2] * index[2] +
    affine[4 * row + 3];
  return [at(0), at(1), at(2)];
}

/** Determinant of the 3x3 part: voxel volume in mm^3, negative for a left-handed index system. */
export function affineDeterminant(m: Affine): number {
  return m[0] * (m[5] * m[10] - m[6] * m[9]) - m[1] * (m[4] * m[10] - m[6] * m[8]) +
    m[2] * (m[4] * m[9] - m[5] * m[8]);
}

/** Length in mm of one index step along x, y, z. */
export function columnNorms(affine: Affine): [number, number, number] {
  const norm = (column: number) => Math.hypot(affine[column], affine[4 + column], affine[8 + column]);
  return [norm(0), norm(1), norm(2)];
}

/** `values` with axis a taken from axis `order[a]`. */
export function transposed(values: Dims3, order: Dims3): Dims3 {
  return [values[order[0]], values[order[1]], values[order[2]]];
}

/** Number of voxels of a shape. */
export function voxelCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
