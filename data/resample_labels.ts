import { checkShape, resampleImage, type ResampleOptions, separateZ } from "./resample.ts";
import { type InterpolationOrder, linearTaps, nearestIndices } from "./spline_axis.ts";
import { type Dims3, voxelCount } from "./volume.ts";

/**
 * Resizes a label map: the 0/1 indicator of every label is interpolated and the label written where it reaches one half; labels come in
 * ascending order, so a larger label wins a tie; voxels that no label reaches stay 0.
 *
 * @param labels `[D, H, W]`, any integers; not changed
 * @param options order 1 in plane and order 0 along a separate axis when left out
 * @returns `newShape`; the input itself when the shape does not change
 * @throws {EmptyShapeError} if a new size is not a positive integer
 * Source: `resample_data_or_seg_to_shape` with is_seg, nnU-Net v2
 */
export function resampleLabels(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
  options: ResampleOptions = {},
): Int32Array {
  checkShape(newShape);
  if (newShape.every((size, axis) => size === shape[axis])) return labels;
  const order = options.order ?? 1;
  const { separate, axis } = separateZ(spacing, newSpacing, options.forceSeparateZ ?? null);
  if (!separate) return resizeLabels(labels, shape, newShape, order);
  const planeShape: [number, number, number] = [...newShape];
  planeShape[axis!] = shape[axis!];
  const inPlane = resizeLabels(labels, shape, planeShape, order);
  if (newShape[axis!] === shape[axis!]) return inPlane;
  return resizeAlongAxis(inPlane, planeShape, newShape, options.orderZ ?? 0);
}

function resizeLabels(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  order: InterpolationOrder,
): Int32Array {
  if (order === 0) return gatherNearest(labels, shape, newShape);
  if (order === 1) return resizeLinear(labels, shape, newShape, (share) => share >= 0.5);
  return resizeByIndicator(labels, shape, newShape, order, (share) => share >= 0.5);
}

/** Along a separate axis the reference rounds the indicator (half to even) before it compares: exactly one half is not enough. */
function resizeAlongAxis(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  order: InterpolationOrder,
): Int32Array {
  if (order === 0) return gatherNearest(labels, shape, newShape);
  if (order === 1) return resizeLinear(labels, shape, newShape, (share) => share > 0.5);
  return resizeByIndicator(labels, shape, newShape, order, (share) => share > 0.5);
}

function gatherNearest(labels: Int32Array, shape: Dims3, newShape: Dims3): Int32Array {
  const [zs, ys, xs] = shape.map((size, axis) => nearestIndices(size, newShape[axis]));
  const output = new Int32Array(voxelCount(newShape));
  let to = 0;
  for (const z of zs) {
    for (const y of ys) {
      const row = (z * shape[1] + y) * shape[2];
      for (const x of xs) output[to++] = labels[row + x];
    }
  }
  return output;
}

/** Trilinear indicator of all labels at once: a voxel has at most eight neighbours, so at most eight candidates. */
function resizeLinear(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  wins: (share: number) => boolean,
): Int32Array {
  const [zTaps, yTaps, xTaps] = shape.map((size, axis) => linearTaps(size, newShape[axis]));
  const clamp = (padded: number, size: number) => Math.min(Math.max(padded - 1, 0), size - 1);
  const output = new Int32Array(voxelCount(newShape));
  const corner = new Int32Array(8), weight = new Float64Array(8);
  let to = 0;
  for (let z = 0; z < newShape[0]; z++) {
    for (let y = 0; y < newShape[1]; y++) {
      for (let x = 0; x < newShape[2]; x++, to++) {
        let same = true;
        for (let n = 0; n < 8; n++) {
          const dz = n >> 2, dy = (n >> 1) & 1, dx = n & 1;
          const row = clamp(zTaps.first[z] + dz, shape[0]) * shape[1] + clamp(yTaps.first[y] + dy, shape[1]);
          corner[n] = labels[row * shape[2] + clamp(xTaps.first[x] + dx, shape[2])];
          weight[n] = zTaps.weights[2 * z + dz] * yTaps.weights[2 * y + dy] * xTaps.weights[2 * x + dx];
          if (corner[n] !== corner[0]) same = false;
        }
        output[to] = same ? corner[0] : largestWinner(corner, weight, wins);
      }
    }
  }
  return output;
}

function largestWinner(corner: Int32Array, weight: Float64Array, wins: (share: number) => boolean): number {
  let winner = 0, found = false;
  for (let n = 0; n < 8; n++) {
    if (found && corner[n] <= winner) continue;
    let share = 0;
    for (let m = 0; m < 8; m++) if (corner[m] === corner[n]) share += weight[m];
    if (wins(share)) [winner, found] = [corner[n], true];
  }
  return winner;
}

function resizeByIndicator(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  order: InterpolationOrder,
  wins: (share: number) => boolean,
): Int32Array {
  const output = new Int32Array(voxelCount(newShape));
  const indicator = new Float32Array(labels.length);
  const isotropic: Dims3 = [1, 1, 1];
  for (const label of [...new Set(labels)].sort((a, b) => a - b)) {
    for (let i = 0; i < labels.length; i++) indicator[i] = labels[i] === label ? 1 : 0;
    const resized = resampleImage(indicator, shape, newShape, isotropic, isotropic, { order });
    for (let i = 0; i < output.length; i++) if (wins(resized[i])) output[i] = label;
  }
  return output;
}
