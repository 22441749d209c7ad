/** What every library offers to the comparison: a 3x3x3 convolution and its two gradients, timed in the same way. */

/** A convolution with as many voxels out as in: kernel 3, stride 1, no bias, one sample. */
export interface ConvShape {
  readonly from: number;
  readonly to: number;
  /** Voxels along each axis. */
  readonly edge: number;
}

/** The three operations that are compared. */
export const DIRECTIONS = [
  "forward",
  "inputGradient",
  "weightGradient",
] as const;

/** One of {@link DIRECTIONS}. */
export type Direction = typeof DIRECTIONS[number];

/** Tensors in PyTorch order: x `[1, I, E, E, E]`, w `[O, I, 3, 3, 3]`, dy `[1, O, E, E, E]`. */
export interface ConvData {
  readonly x: Float32Array<ArrayBuffer>;
  readonly w: Float32Array<ArrayBuffer>;
  readonly dy: Float32Array<ArrayBuffer>;
}

/** An operation of a library at one shape, its inputs on the device. */
export interface ConvOp {
  /** Submits so many runs, then waits once until the device has done them all. */
  run(count: number): Promise<void>;
  /** Runs once and reads the result, in PyTorch order. */
  result(): Promise<Float32Array>;
  /** Runs that may be submitted before waiting: libraries that allocate each result are bounded by memory. */
  readonly mostRuns: number;
}

/** Operations of a library; a text says why one is not offered. */
export type ConvOps = Readonly<Record<Direction, ConvOp | string>> & Disposable;

/** A library on the adapter. */
export interface ConvLibrary extends Disposable {
  readonly name: string;
  readonly version: string;
  prepare(shape: ConvShape, data: ConvData): Promise<ConvOps>;
}

/** Voxels of a kernel. */
export const TAPS = 27;
/** Bytes of results that a library may allocate before it is waited for. */
const MOST_RESULT_BYTES = 2 ** 30;

/** `32->32 k3 48^3`. */
export function shapeText({ from, to, edge }: ConvShape): string {
  return `${from}->${to} k3 ${edge}^3`;
}

/** Additions and multiplications, the same for all three directions: `2 O I 27 E^3`. */
export function convFlop({ from, to, edge }: ConvShape): number {
  return 2 * from * to * TAPS * edge ** 3;
}

/** Runs whose results of so many numbers fit into the allowance. */
export function runsWithin(numbers: number): number {
  return Math.max(1, Math.floor(MOST_RESULT_BYTES / (4 * numbers)));
}

/** Exchanges the two axes of a matrix `[rows, columns]`. */
export function transpose(
  data: Float32Array,
  rows: number,
  columns: number,
): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      turned[j * rows + i] = data[i * columns + j];
    }
  }
  return turned;
}
