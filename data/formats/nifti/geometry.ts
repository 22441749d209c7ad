import type { NiftiGeometry } from "./header.ts";
import { type Affine, affineDeterminant, columnNorms } from "../../volume.ts";

const MM_PER_UNIT: Readonly<Record<number, number>> = { 1: 1000, 2: 1, 3: 0.001 };

/** Millimetres per unit of the file: xyzt_units says metres, mm or micrometres; unknown units count as mm. */
export function mmPerUnit(xyztUnits: number): number {
  return MM_PER_UNIT[xyztUnits & 7] ?? 1;
}

/**
 * Voxel index (x, y, z) to world mm: sform if its code is positive, else qform if its code is positive, else the diagonal of pixdim.
 *
 * Source: nifti1.h, "3D image orientation and location in space", methods 3, 2 and 1.
 */
export function geometryAffine(geometry: NiftiGeometry): Affine {
  const scale = mmPerUnit(geometry.xyztUnits);
  const raw = rawAffine(geometry);
  return scale === 1 ? raw : raw.map((value, i) => (i < 12 ? value * scale : value));
}

function rawAffine({ sformCode, sform, qformCode, quaternion, pixdim }: NiftiGeometry): Affine {
  if (sformCode > 0) return [...sform, 0, 0, 0, 1];
  if (qformCode <= 0) return [pixdim[1], 0, 0, 0, 0, pixdim[2], 0, 0, 0, 0, pixdim[3], 0, 0, 0, 0, 1];
  const rotation = rotationOfQuaternion(quaternion[0], quaternion[1], quaternion[2]);
  const handedness = pixdim[0] < 0 ? -1 : 1;
  const steps = [pixdim[1], pixdim[2], pixdim[3] * handedness];
  const row = (r: number) => [0, 1, 2].map((c) => rotation[3 * r + c] * steps[c]);
  return [...row(0), quaternion[3], ...row(1), quaternion[4], ...row(2), quaternion[5], 0, 0, 0, 1];
}

/** 3x3 rotation, row-major, of the unit quaternion (a, b, c, d) whose a >= 0 is implied by b, c, d. */
export function rotationOfQuaternion(b: number, c: number, d: number): number[] {
  let a = 1 - (b * b + c * c + d * d);
  if (a < 1e-7) { // rounding made the vector part longer than 1: a 180 degree rotation
    const norm = 1 / Math.sqrt(b * b + c * c + d * d);
    [a, b, c, d] = [0, b * norm, c * norm, d * norm];
  } else {
    a = Math.sqrt(a);
  }
  return [
    a * a + b * b - c * c - d * d,
    2 * (b * c - a * d),
    2 * (b * d + a * c),
    2 * (b * c + a * d),
    a * a + c * c - b * b - d * d,
    2 * (c * d - a * b),
    2 * (b * d - a * c),
    2 * (c * d + a * b),
    a * a + d * d - b * b - c * c,
  ];
}

/** Vector part (b, c, d) of the quaternion of a proper rotation (3x3, row-major), with a >= 0. Source: Shepperd 1978. */
export function quaternionOfRotation(r: readonly number[]): [number, number, number] {
  const squares = [
    1 + r[0] + r[4] + r[8],
    1 + r[0] - r[4] - r[8],
    1 + r[4] - r[0] - r[8],
    1 + r[8] - r[0] - r[4],
  ];
  const largest = squares.indexOf(Math.max(...squares));
  const twice = Math.sqrt(squares[largest]);
  const s = 0.5 / twice;
  const q = [
    [twice / 2, (r[7] - r[5]) * s, (r[2] - r[6]) * s, (r[3] - r[1]) * s],
    [(r[7] - r[5]) * s, twice / 2, (r[1] + r[3]) * s, (r[2] + r[6]) * s],
    [(r[2] - r[6]) * s, (r[1] + r[3]) * s, twice / 2, (r[5] + r[7]) * s],
    [(r[3] - r[1]) * s, (r[2] + r[6]) * s, (r[5] + r[7]) * s, twice / 2],
  ][largest];
  const sign = q[0] < 0 ? -1 : 1;
  return [q[1] * sign, q[2] * sign, q[3] * sign];
}

/**
 * Header geometry for an affine in mm: sform always; qform as well when the axes are orthogonal, since a quaternion cannot hold shear.
 *
 * @param code NIFTI_XFORM code for both forms: 1 scanner, 2 aligned, 3 Talairach, 4 MNI
 */
export function geometryOfAffine(affine: Affine, version: 1 | 2, code = 2): NiftiGeometry {
  const norms = columnNorms(affine);
  const unit = [0, 1, 2].flatMap((row) =>
    [0, 1, 2].map((column) => affine[4 * row + column] / norms[column])
  );
  const handedness = affineDeterminant(affine) < 0 ? -1 : 1;
  const dot = (a: number, b: number) =>
    unit[a] * unit[b] + unit[3 + a] * unit[3 + b] + unit[6 + a] * unit[6 + b];
  const orthogonal = Math.max(Math.abs(dot(0, 1)), Math.abs(dot(0, 2)), Math.abs(dot(1, 2))) < 1e-5;
  const proper = unit.map((value, i) => (i % 3 === 2 ? value * handedness : value));
  return {
    version,
    pixdim: [orthogonal ? handedness : 1, ...norms, 0, 0, 0, 0],
    qformCode: orthogonal ? code : 0,
    quaternion: orthogonal
      ? [...quaternionOfRotation(proper), affine[3], affine[7], affine[11]]
      : [0, 0, 0, 0, 0, 0],
    sformCode: code,
    sform: affine.slice(0, 12),
    xyztUnits: 2,
  };
}
