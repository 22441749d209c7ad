import { type Dims3, voxelCount } from "./volume.ts";

/** Order of interpolation: 0 nearest, 1 linear, 3 cubic B-spline. */
export type InterpolationOrder = 0 | 1 | 3;

/** Replicated samples on either side before the spline filter. */
export const SPLINE_PADDING = 12;
const POLE = Math.sqrt(3) - 2;
/** Neighbouring lines filtered together, so that memory is walked in rows. */
const LINES_PER_TILE = 32;

/** Input coordinate of output sample `out`: centres of the first and last voxels' edges coincide. */
export function inputCoordinate(out: number, inputSize: number, outputSize: number): number {
  return (out + 0.5) * (inputSize / outputSize) - 0.5;
}

/** Taps of every output sample along one axis: first input index of each and its weights, `[outputSize, taps]`. */
interface AxisTaps {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Float64Array;
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

/** Cubic B-spline taps into an axis padded by `SPLINE_PADDING` on either side. Weights: Unser 1999, eq. 4. */
function cubicTaps(inputSize: number, outputSize: number): AxisTaps {
  const first = new Int32Array(outputSize);
  const weights = new Float64Array(4 * outputSize);
  for (let out = 0; out < outputSize; out++) {
    const at = inputCoordinate(out, inputSize, outputSize) + SPLINE_PADDING;
    const last = inputSize + 2 * SPLINE_PADDING - 4;
    const lower = Math.min(Math.max(Math.floor(at) - 1, 0), last);
    first[out] = lower;
    const y = at - (lower + 1), z = 1 - y;
    weights[4 * out] = z * z * z / 6;
    weights[4 * out + 1] = (y * y * (y - 2) * 3 + 4) / 6;
    weights[4 * out + 2] = (z * z * (z - 2) * 3 + 4) / 6;
    weights[4 * out + 3] = 1 - weights[4 * out] - weights[4 * out + 1] - weights[4 * out + 2];
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
 * Source: recursive pre-filter with pole sqrt(3) - 2, Unser, Aldroubi and Eden 1993; spec: 12 replicated samples on either side
 */
export function resizeAxis(
  data: Float32Array,
  shape: Dims3,
  axis: number,
  outputSize: number,
  order: InterpolationOrder,
): Float32Array {
  const inputSize = shape[axis];
  const inner = voxelCount(shape.slice(axis + 1)); // distance of neighbours along the axis
  const outer = voxelCount(shape.slice(0, axis));
  const output = new Float32Array(outer * outputSize * inner);
  if (order === 0) {
    const indices = nearestIndices(inputSize, outputSize);
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < outputSize; i++) {
        const from = (o * inputSize + indices[i]) * inner;
        output.set(data.subarray(from, from + inner), (o * outputSize + i) * inner);
      }
    }
    return output;
  }
  const padding = order === 3 ? SPLINE_PADDING : 1;
  const taps = order === 3 ? cubicTaps(inputSize, outputSize) : linearTaps(inputSize, outputSize);
  // Lines of one tile, `[padded samples, LINES_PER_TILE]`. With inner = 1 the lines of a tile are whole rows.
  const tile = new Float64Array((inputSize + 2 * padding) * LINES_PER_TILE);
  const lineCount = outer * inner;
  const inputStart = new Float64Array(LINES_PER_TILE);
  const outputStart = new Float64Array(LINES_PER_TILE);
  for (let line = 0; line < lineCount; line += LINES_PER_TILE) {
    const lines = Math.min(LINES_PER_TILE, lineCount - line);
    for (let l = 0; l < lines; l++) {
      const o = Math.floor((line + l) / inner), within = (line + l) - o * inner;
      inputStart[l] = o * inputSize * inner + within;
      outputStart[l] = o * outputSize * inner + within;
    }
    loadTile(tile, data, inputStart, lines, inputSize, inner, padding);
    if (order === 3) prefilter(tile, inputSize + 2 * padding);
    storeTile(output, tile, outputStart, lines, outputSize, inner, taps);
  }
  return output;
}

function loadTile(
  tile: Float64Array,
  data: Float32Array,
  starts: Float64Array,
  lines: number,
  inputSize: number,
  step: number,
  padding: number,
): void {
  for (let l = 0; l < lines; l++) {
    let from = starts[l], to = padding * LINES_PER_TILE + l;
    for (let i = 0; i < inputSize; i++, from += step, to += LINES_PER_TILE) tile[to] = data[from];
  }
  const first = padding * LINES_PER_TILE, last = (padding + inputSize - 1) * LINES_PER_TILE;
  for (let p = 0; p < padding; p++) {
    tile.copyWithin(p * LINES_PER_TILE, first, first + LINES_PER_TILE);
    tile.copyWithin(last + (p + 1) * LINES_PER_TILE, last, last + LINES_PER_TILE);
  }
}

/** Samples to B-spline coefficients in place, `[length, LINES_PER_TILE]`, half-sample symmetric at the ends. */
function prefilter(tile: Float64Array, length: number): void {
  const gain = (1 - POLE) * (1 - 1 / POLE);
  const row = LINES_PER_TILE, end = length * row;
  for (let i = 0; i < end; i++) tile[i] *= gain;
  // First causal coefficient: the sum of the mirrored signal, whose terms beyond 60 samples are below 1e-34.
  const horizon = Math.min(length, 60);
  for (let l = 0; l < row; l++) {
    let power = POLE, sum = tile[l];
    for (let i = 0; i < horizon; i++, power *= POLE) sum += power * tile[i * row + l];
    tile[l] = sum;
  }
  for (let i = row; i < end; i++) tile[i] += POLE * tile[i - row];
  for (let i = end - row; i < end; i++) tile[i] *= POLE / (POLE - 1);
  for (let i = end - row - 1; i >= 0; i--) tile[i] = POLE * (tile[i + row] - tile[i]);
}

function storeTile(
  output: Float32Array,
  tile: Float64Array,
  starts: Float64Array,
  lines: number,
  outputSize: number,
  step: number,
  { taps, first, weights }: AxisTaps,
): void {
  const row = LINES_PER_TILE;
  for (let out = 0; out < outputSize; out++) {
    const at = first[out] * row;
    if (taps === 4) {
      const a = weights[4 * out],
        b = weights[4 * out + 1],
        c = weights[4 * out + 2],
        d = weights[4 * out + 3];
      for (let l = 0, i = at; l < lines; l++, i++) {
        output[starts[l] + out * step] = a * tile[i] + b * tile[i + row] + c * tile[i + 2 * row] +
          d * tile[i + 3 * row];
      }
    } else {
      const a = weights[2 * out], b = weights[2 * out + 1];
      for (let l = 0, i = at; l < lines; l++, i++) {
        output[starts[l] + out * step] = a * tile[i] + b * tile[i + row];
      }
    }
  }
}
