import { type Affine, columnNorms } from "../volume.ts";

const AXES = ["x", "y", "z"] as const;
/** Degrees by which two axes may miss a right angle before it is worth a remark; rounding of float32 headers stays far below. */
const SHEAR_DEGREES = 0.1;
/** Relative difference between pixdim and the matrix that is worth a remark. */
const SPACING_DIFFERENCE = 0.01;

/**
 * Remarks about a grid that can be used although it is not a plain box.
 *
 * @param affine voxel index (x, y, z) to world mm
 * @param steps mm along x, y, z that the file states apart from the matrix, when it does
 * @returns one line each: pairs of axes that do not meet at right angles, steps that contradict the matrix
 */
export function gridWarnings(affine: Affine, steps?: readonly number[]): string[] {
  const norms = columnNorms(affine);
  const warnings: string[] = [];
  const sheared: string[] = [];
  for (const [a, b] of [[0, 1], [0, 2], [1, 2]]) {
    const dot = [0, 4, 8].reduce((sum, row) => sum + affine[row + a] * affine[row + b], 0);
    const degrees = Math.acos(Math.min(1, Math.max(-1, dot / (norms[a] * norms[b])))) * 180 / Math.PI;
    if (Math.abs(degrees - 90) > SHEAR_DEGREES) {
      sheared.push(`${AXES[a]} and ${AXES[b]} meet at ${degrees.toFixed(1)} degrees`);
    }
  }
  if (sheared.length > 0) {
    warnings.push(`sheared grid: ${sheared.join(", ")} instead of 90; voxels are used as if they were boxes`);
  }
  const differs = steps?.some((step, axis) =>
    Math.abs(step - norms[axis]) > SPACING_DIFFERENCE * norms[axis]
  );
  if (differs) {
    const list = (values: readonly number[]) => values.map((value) => +value.toPrecision(4)).join(" x ");
    warnings.push(
      `spacing ${list(steps!)} mm in the header against ${list(norms)} mm in its matrix; the matrix counts`,
    );
  }
  return warnings;
}
