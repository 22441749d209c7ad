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

/** Both neighbours of every output sample along an axis, edges clamped, and their weights, `[outputSize, 2]`. */
function neighbours(inputSize: number, outputSize: number): { indices: Int32Array; weights: Float64Array } {
  const { first, weights } = linearTaps(inputSize, outputSize);
  const indices = new Int32Array(2 * outputSize);
  for (let i = 0; i < indices.length; i++) {
    indices[i] = Math.min(Math.max(first[i >> 1] + (i & 1) - 1, 0), inputSize - 1);
  }
  return { indices, weights };
}

/** Trilinear indicator of all labels at once: a voxel has at most eight neighbours, so at most eight candidates; mostly they agree. */
function resizeLinear(
  labels: Int32Array,
  shape: Dims3,
  newShape: Dims3,
  wins: (share: number) => boolean,
): Int32Array {
  const [zs, ys, xs] = shape.map((size, axis) => neighbours(size, newShape[axis]));
  const output = new Int32Array(voxelCount(newShape));
  const corner = new Int32Array(8), weight = new Float64Array(8), rows = new Int32Array(4);
  let to = 0;
  for (let z = 0; z < newShape[0]; z++) {
    for (let y = 0; y < newShape[1]; y++) {
      for (let n = 0; n < 4; n++) {
        rows[n] = (zs.indices[2 * z + (n >> 1)] * shape[1] + ys.indices[2 * y + (n & 1)]) * shape[2];
      }
      const [a, b, c, d] = rows;
      for (let x = 0; x < newShape[2]; x++, to++) {
        const left = xs.indices[2 * x], right = xs.indices[2 * x + 1];
        const label = labels[a + left];
        const same = label === labels[a + right] && label === labels[b + left] &&
          label === labels[b + right] && label === labels[c + left] && label === labels[c + right] &&
          label === labels[d + left] && label === labels[d + right];
        if (same) {
          output[to] = label;
          continue;
        }
        for (let n = 0; n < 8; n++) {
          corner[n] = labels[rows[n >> 1] + (n & 1 ? right : left)];
          weight[n] = zs.weights[2 * z + (n >> 2)] * ys.weights[2 * y + ((n >> 1) & 1)] *
            xs.weights[2 * x + (n & 1)];
        }
        output[to] = largestWinner(corner, weight, wins);
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
