import type { Box3 } from "../crop.ts";
import { type Affine, type Dims3, transposed, type Volume } from "../volume.ts";

/**
 * What has to be undone to bring a map of a preprocessed case back onto the grid of its files. Plain values, JSON-safe.
 *
 * The array axes are those of the file brought to `orientation`, then transposed; boxes, shapes and spacings but those of `file` are
 * along them.
 */
export interface CaseGeometry {
  /** Grid of the first channel's file as it was read. */
  readonly file: Pick<Volume, "shape" | "spacing" | "origin" | "direction" | "affine" | "nifti">;
  /** Axis codes, x, y, z, that the case was brought to before transposing; null when the axes of the file were kept. */
  readonly orientation: string | null;
  /** Axis of the (reoriented) volume for every array axis. */
  readonly transpose: Dims3;
  /** Axis of the file (0 is z, 2 is x) for every array axis: orientation and transposition together. */
  readonly fileAxes: Dims3;
  /** Whether an array axis runs against its file axis. */
  readonly reversed: readonly [boolean, boolean, boolean];
  readonly shapeBeforeCropping: Dims3;
  /** Where the crop lies in `shapeBeforeCropping`. */
  readonly box: Box3;
  readonly shapeAfterCropping: Dims3;
  /** mm of the cropped grid. */
  readonly spacingBeforeResampling: Dims3;
  /** `[D, H, W]` of the preprocessed case. */
  readonly shape: Dims3;
  /** mm of the preprocessed case. */
  readonly spacing: Dims3;
}

/** Numbers in array order of the file, brought to the order of the array axes. */
export function alongArray(values: Dims3, { fileAxes }: Pick<CaseGeometry, "fileAxes">): Dims3 {
  return transposed(values, fileAxes);
}

/** Typed arrays that hold labels. */
export type LabelArray = Uint8Array | Int8Array | Uint16Array | Int16Array | Int32Array | Float32Array;

/**
 * Puts a map of the cropped grid back onto the grid of the file: 0 outside the crop, axes transposed and turned back.
 *
 * @param cropped `[...geometry.shapeAfterCropping]`
 * @returns `[...geometry.file.shape]` of the same array type, for `geometry.file.affine`
 * @throws {RangeError} when the map has another number of voxels
 */
export function restoreToFile<T extends LabelArray>(cropped: T, geometry: CaseGeometry): T {
  const { shapeAfterCropping: [d, h, w], file: { shape } } = geometry;
  if (cropped.length !== d * h * w) {
    throw new RangeError(
      `Cannot put a map back onto its file: found ${cropped.length} voxels, wanted ${d}x${h}x${w}`,
    );
  }
  const { first, step } = fileLines(geometry);
  const restored = new (cropped.constructor as new (length: number) => T)(shape[0] * shape[1] * shape[2]);
  let from = 0;
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      let to = first + z * step[0] + y * step[1];
      for (let x = 0; x < w; x++, to += step[2]) restored[to] = cropped[from++];
    }
  }
  return restored;
}

/** Where voxels of the cropped grid lie in the file's array: index of the first one, and distance of neighbours along each axis. */
export function fileLines(geometry: CaseGeometry): { readonly first: number; readonly step: Dims3 } {
  const { box: { start }, file: { shape }, fileAxes, reversed } = geometry;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const before = alongArray(shape, geometry);
  const along = (a: number) => (reversed[a] ? -strides[fileAxes[a]] : strides[fileAxes[a]]);
  const step: Dims3 = [along(0), along(1), along(2)];
  const first = step.reduce<number>(
    (at, stride, a) => at + (stride < 0 ? -stride * (before[a] - 1) : 0) + stride * start[a],
    0,
  );
  return { first, step };
}

/** World position in mm of an index (z, y, x) of the preprocessed grid, through crop, resampling with aligned edges and axes. */
export function caseAffine(geometry: CaseGeometry): Affine {
  const { file, fileAxes, reversed, shape, shapeAfterCropping, box } = geometry;
  const rows = [0, 1, 2].map((row) => [0, 0, 0, file.affine[4 * row + 3]]);
  for (let axis = 0; axis < 3; axis++) {
    const scale = shapeAfterCropping[axis] / shape[axis];
    const offset = box.start[axis] + 0.5 * scale - 0.5;
    const last = file.shape[fileAxes[axis]] - 1, sign = reversed[axis] ? -1 : 1;
    const column = 2 - fileAxes[axis]; // index x, y, z of the file for its array axis
    rows.forEach((row, world) => {
      const unit = file.affine[4 * world + column];
      row[2 - axis] = sign * scale * unit;
      row[3] += unit * (reversed[axis] ? last - offset : offset);
    });
  }
  return [...rows.flat(), 0, 0, 0, 1];
}
