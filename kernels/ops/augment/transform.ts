/** Layout of the parameters of one augmented sample: a row of the `[N, 16]` input of `affineResample`. */

/** Numbers of one sample. */
export const TRANSFORM_LENGTH = 16;

/** Places in a row; 13 to 15 are 0. */
export const TRANSFORM_AT = {
  /** 9 numbers, row by row: patch offset from its centre (D, H, W) -> crop offset from its centre, voxels. */
  matrix: 0,
  /** 3 flags, D, H, W: 1 flips the axis of the patch. */
  mirror: 9,
  /** 1: interpolate through the matrix; 0: copy the centre of the crop, bit for bit, and ignore the matrix. */
  interpolate: 12,
} as const;
