/** Pole of the cubic B-spline's recursive filter. */
const POLE = Math.sqrt(3) - 2;
/** Samples beyond either end of a line that taps reach. */
export const PADDING = 2;
/** Causal pass over a line that always had the value 1. */
const CONSTANT = 1 / (1 - POLE);
/** Coefficient two samples beyond the end of a line that stays at its last value: shares of that value and of its causal pass. */
const BEYOND_CAUSAL = -(POLE ** 3) / (1 - POLE ** 2);
const BEYOND_VALUE = -CONSTANT * (POLE * CONSTANT + BEYOND_CAUSAL);
/** Rows computed together. */
const ROWS = 4;
/** Neighbouring lines computed together, so that memory is walked in rows. */
const LINES_PER_TILE = 32;

/** Taps of every output sample along one axis: first input index of each and its weights, `[outputSize, taps]`. */
export interface AxisTaps {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

/** Lines along an axis: samples before and after, distance of neighbours (and lines beside one another), and how often that repeats. */
export interface LineSizes {
  readonly input: number;
  readonly output: number;
  readonly step: number;
  readonly outer: number;
}

/**
 * Resizes lines that lie beside one another, `[padded samples, LINES_PER_TILE]` at a time, every loop along neighbours in memory.
 *
 * @param taps four an output sample, into the line with `PADDING` more samples on either side
 * @param order 3: taps weigh spline coefficients over the filter's gain; 1: the samples
 */
export function resizeTiles(
  output: Float32Array,
  data: Float32Array,
  size: LineSizes,
  { first, weights }: AxisTaps,
  order: 1 | 3,
): void {
  const { input, step } = size, row = LINES_PER_TILE;
  const fillTile = order === 3 ? filterTile : copyTile;
  const tile = new Float64Array((input + 2 * PADDING) * row);
  for (let o = 0; o < size.outer; o++) {
    for (let line = 0; line < step; line += row) {
      const lines = Math.min(row, step - line);
      const from = o * input * step + line;
      fillTile(tile, data, from, lines, size);
      let to = o * size.output * step + line;
      for (let out = 0; out < size.output; out++, to += step) {
        const a = weights[4 * out], b = weights[4 * out + 1];
        const c = weights[4 * out + 2], d = weights[4 * out + 3];
        let i = first[out] * row;
        for (let l = 0; l < lines; l++, i++) {
          output[to + l] = a * tile[i] + b * tile[i + row] + c * tile[i + 2 * row] + d * tile[i + 3 * row];
        }
      }
    }
  }
}

/** Fills a tile from `lines` neighbouring lines that begin at `from`, and `PADDING` samples beyond either end of each. */
type FillTile = (
  tile: Float64Array,
  data: Float32Array,
  from: number,
  lines: number,
  sizes: LineSizes,
) => void;

/** B-spline coefficients (over the gain) of the lines. */
const filterTile: FillTile = (tile, data, from, lines, { input, step }) => {
  const row = LINES_PER_TILE, last = from + (input - 1) * step;
  for (let l = 0; l < lines; l++) tile[l] = tile[row + l] = CONSTANT * data[from + l];
  let at = PADDING * row;
  for (let start = from; start <= last; start += step, at += row) {
    for (let l = 0; l < lines; l++) tile[at + l] = data[start + l] + POLE * tile[at - row + l];
  }
  for (let l = 0; l < lines; l++) {
    const value = data[last + l], causal = tile[at - row + l];
    tile[at + l] = value + POLE * causal;
    tile[at + row + l] = BEYOND_VALUE * value + BEYOND_CAUSAL * causal;
  }
  for (; at >= 0; at -= row) {
    for (let l = 0; l < lines; l++) tile[at + l] = POLE * (tile[at + row + l] - tile[at + l]);
  }
};

/** Samples of the lines, the edge ones repeated. */
const copyTile: FillTile = (tile, data, from, lines, { input, step }) => {
  for (let i = -PADDING; i < input + PADDING; i++) {
    const at = (i + PADDING) * LINES_PER_TILE, start = from + Math.min(Math.max(i, 0), input - 1) * step;
    for (let l = 0; l < lines; l++) tile[at + l] = data[start + l];
  }
};

/**
 * Resizes lines along the last axis, `[ROWS, padded samples]` at a time; the last rows are computed again rather than fewer at once.
 *
 * @param taps and `order` as in {@link resizeTiles}
 */
export function resizeRows(
  output: Float32Array,
  data: Float32Array,
  size: LineSizes,
  taps: AxisTaps,
  order: 1 | 3,
): void {
  if (size.outer < ROWS) return resizeTiles(output, data, size, taps, order);
  const { first, weights } = taps;
  const width = size.input + 2 * PADDING;
  const rows = new Float64Array(ROWS * width);
  for (let row = 0; row < size.outer; row += ROWS) {
    const start = Math.min(row, size.outer - ROWS);
    if (order === 3) filterRows(rows, data, start * size.input, size.input);
    else copyRows(rows, data, start * size.input, size.input);
    let to0 = start * size.output;
    let to1 = to0 + size.output, to2 = to1 + size.output, to3 = to2 + size.output;
    for (let out = 0, w = 0; out < size.output; out++, w += 4) {
      const a = weights[w], b = weights[w + 1], c = weights[w + 2], d = weights[w + 3];
      const i0 = first[out], i1 = i0 + width, i2 = i1 + width, i3 = i2 + width;
      output[to0++] = a * rows[i0] + b * rows[i0 + 1] + c * rows[i0 + 2] + d * rows[i0 + 3];
      output[to1++] = a * rows[i1] + b * rows[i1 + 1] + c * rows[i1 + 2] + d * rows[i1 + 3];
      output[to2++] = a * rows[i2] + b * rows[i2 + 1] + c * rows[i2 + 2] + d * rows[i2 + 3];
      output[to3++] = a * rows[i3] + b * rows[i3 + 1] + c * rows[i3 + 2] + d * rows[i3 + 3];
    }
  }
}

/** As `filterTile`, for `ROWS` rows: four independent recursions keep the processor busy while one waits for its last sum. */
function filterRows(rows: Float64Array, data: Float32Array, from: number, input: number): void {
  const width = input + 2 * PADDING;
  const at1 = width, at2 = 2 * width, at3 = 3 * width;
  const from1 = from + input, from2 = from1 + input, from3 = from2 + input;
  let a = CONSTANT * data[from], b = CONSTANT * data[from1];
  let c = CONSTANT * data[from2], d = CONSTANT * data[from3];
  rows[0] = rows[1] = a;
  rows[at1] = rows[at1 + 1] = b;
  rows[at2] = rows[at2 + 1] = c;
  rows[at3] = rows[at3 + 1] = d;
  for (let i = 0, at = PADDING; i < input; i++, at++) {
    rows[at] = a = data[from + i] + POLE * a;
    rows[at1 + at] = b = data[from1 + i] + POLE * b;
    rows[at2 + at] = c = data[from2 + i] + POLE * c;
    rows[at3 + at] = d = data[from3 + i] + POLE * d;
  }
  const last = input - 1, end = input + PADDING;
  rows[end] = data[from + last] + POLE * a;
  rows[at1 + end] = data[from1 + last] + POLE * b;
  rows[at2 + end] = data[from2 + last] + POLE * c;
  rows[at3 + end] = data[from3 + last] + POLE * d;
  rows[end + 1] = a = BEYOND_VALUE * data[from + last] + BEYOND_CAUSAL * a;
  rows[at1 + end + 1] = b = BEYOND_VALUE * data[from1 + last] + BEYOND_CAUSAL * b;
  rows[at2 + end + 1] = c = BEYOND_VALUE * data[from2 + last] + BEYOND_CAUSAL * c;
  rows[at3 + end + 1] = d = BEYOND_VALUE * data[from3 + last] + BEYOND_CAUSAL * d;
  for (let at = end; at >= 0; at--) {
    rows[at] = a = POLE * (a - rows[at]);
    rows[at1 + at] = b = POLE * (b - rows[at1 + at]);
    rows[at2 + at] = c = POLE * (c - rows[at2 + at]);
    rows[at3 + at] = d = POLE * (d - rows[at3 + at]);
  }
}

function copyRows(rows: Float64Array, data: Float32Array, from: number, input: number): void {
  for (let row = 0, to = 0; row < ROWS; row++, from += input) {
    for (let i = -PADDING; i < input + PADDING; i++) {
      rows[to++] = data[from + Math.min(Math.max(i, 0), input - 1)];
    }
  }
}
