/** Number of elements of a shape; NaN or Infinity never: beyond 2^53 it is not a safe integer. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, n) => product * n, 1);
}

/** Strides of C order, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= Math.max(1, shape[axis]);
  }
  return strides;
}

/** Elements from the first to the last that a view touches, both included. */
export function viewSpan(shape: readonly number[], strides: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((last, n, axis) => last + (n - 1) * strides[axis], 0) + 1;
}

/** Whether the elements of a view lie in C order without gaps; strides of axes of length 1 do not matter. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  const wanted = contiguousStrides(shape);
  return shape.includes(0) || shape.every((n, axis) => n === 1 || strides[axis] === wanted[axis]);
}

/** Values that can be copied one by one; those of a pair have the same type. */
interface Numbers<Value> {
  readonly length: number;
  [index: number]: Value;
}

/**
 * Copies a strided view into C order.
 *
 * @param source what the view spans, from its first element on
 * @param target `elementCount(shape)` elements
 */
export function gatherStrided<Value>(
  source: Numbers<Value>,
  target: Numbers<Value>,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const last = shape.length - 1;
  const length = shape[last], step = strides[last];
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < target.length;) {
    for (let i = 0; i < length; i++) target[to++] = source[from + i * step];
    for (let axis = last - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}
