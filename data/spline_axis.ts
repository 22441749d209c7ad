import { type AxisTaps, type LineSizes, PADDING, resizeRows, resizeTiles } from "./spline_lines.ts";
import { type Dims3, voxelCount } from "./volume.ts";

/** Order of interpolation: 0 nearest, 1 linear, 3 cubic B-spline. */
export type InterpolationOrder = 0 | 1 | 3;

/** Input coordinate of output sample `out`: centres of the first and last voxels' edges coincide. */
export function inputCoordinate(out: number, inputSize: number, outputSize: number): number {
  return (out + 0.5) * (inputSize / outputSize) - 0.5;
}

/** Input index of every output sample for nearest interpolation, edges clamped. `[outputSize]` */
export function nearestIndices(inputSize: number, outputSize: number): Int32Array {
  return Int32Array.from({ length: outputSize }, (_, out) => {
    const nearest = Math.floor(inputCoordinate(out, inputSize, outputSize) + 0.5);
    return Math.min(Math.max(nearest, 0), inputSize - 1);
  });
}

/**
 * Linear interpolation into an axis padded by one replicated sample on either side: lower neighbour in the padded axis, weights of lower
 * and upper neighbour. Beyond the edge both neighbours are the edge sample; the weights are those of the unclamped coordinate, as in
 * scipy.ndimage, whose rounding decides ties of label maps.
 */
export function linearTaps(inputSize: number, outputSize: number): AxisTaps {
  const first = new Int32Array(outputSize);
  const weights = new Float64Array(2 * outputSize);
  for (let out = 0; out < outputSize; out++) {
    const at = inputCoordinate(out, inputSize, outputSize);
    const lower = Math.floor(at);
    first[out] = lower + 1;
    weights[2 * out] = 1 - (at - lower);
    weights[2 * out + 1] = 1 - weights[2 * out];
  }
  return { taps: 2, first, weights };
}

/**
 * Four taps of every output sample into an axis padded by `PADDING` on either side: of the spline's coefficients for order 3 (Unser 1999,
 * eq. 4, times 6, the gain of the filter), of the samples themselves for order 1.
 */
function fourTaps(inputSize: number, outputSize: number, order: 1 | 3): AxisTaps {
  const first = new Int32Array(outputSize);
  const weights = new Float64Array(4 * outputSize);
  for (let out = 0; out < outputSize; out++) {
    const at = inputCoordinate(out, inputSize, outputSize);
    const lower = Math.floor(at);
    first[out] = lower - 1 + PADDING;
    const y = at - lower, z = 1 - y;
    const four = order === 3
      ? [z * z * z, y * y * (y - 2) * 3 + 4, z * z * (z - 2) * 3 + 4, y * y * y]
      : [0, z, y, 0];
    weights.set(four, 4 * out);
  }
  return { taps: 4, first, weights };
}

/**
 * Resizes one axis by nearest, linear or cubic B-spline interpolation without anti-aliasing; edges are replicated.
 *
 * The three passes of an image commute, because pre-filter and interpolation are linear and separable. Sums in float64.
 *
 * @param data `shape` in C order
 * @param axis 0, 1 or 2
 * @returns new array with `outputSize` samples along `axis`
 * Source: recursive pre-filter with pole sqrt(3) - 2, Unser, Aldroubi and Eden 1993. The reference replicates 12 samples on either side;
 * here the line goes on for ever with its edge samples, and the recursions start from their sums: the same to 1e-13 of the contrast
 */
export function resizeAxis(
  data: Float32Array,
  shape: Dims3,
  axis: number,
  outputSize: number,
  order: InterpolationOrder,
): Float32Array {
  const size: LineSizes = {
    input: shape[axis],
    output: outputSize,
    step: voxelCount(shape.slice(axis + 1)),
    outer: voxelCount(shape.slice(0, axis)),
  };
  const output = new Float32Array(size.outer * outputSize * size.step);
  if (order === 0) gatherNearest(output, data, size);
  else {
    const taps = fourTaps(size.input, outputSize, order);
    if (size.step === 1) resizeRows(output, data, size, taps, order);
    else resizeTiles(output, data, size, taps, order);
  }
  return output;
}

function gatherNearest(output: Float32Array, data: Float32Array, size: LineSizes): void {
  const indices = nearestIndices(size.input, size.output);
  let to = 0;
  for (let o = 0; o < size.outer; o++) {
    for (let i = 0; i < size.output; i++, to += size.step) {
      const from = (o * size.input + indices[i]) * size.step;
      if (size.step === 1) output[to] = data[from];
      else output.set(data.subarray(from, from + size.step), to);
    }
  }
}
