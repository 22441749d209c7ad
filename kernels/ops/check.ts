/** Small checks shared by shape rules. */
import { ShapeError } from "../errors.ts";
import { byteLength, type Cost, type Dims3, elementCount, type TensorSpec } from "../spec.ts";

/** Throws unless `condition`. @throws {ShapeError} with the operation's name in front */
export function require(
  condition: boolean,
  op: string,
  message: string,
  found?: unknown,
  wanted?: unknown,
): asserts condition {
  if (!condition) throw new ShapeError(`Cannot apply ${op}: ${message}`, { op, found, wanted });
}

/** Whether two shapes are equal. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/**
 * Splits an activation, `[N, C, D, H, W]` or in the block layout `[N, C, K, e0, e1, e2]`.
 *
 * @returns samples, channels and voxels per axis of the whole volume
 * @throws {ShapeError} when the tensor has another rank
 */
export function volume(
  op: string,
  name: string,
  spec: TensorSpec,
): { n: number; c: number; size: Dims3; voxels: number } {
  const blocks = spec.layout.kind === "blocks";
  const wanted = blocks ? "[N, C, K, e0, e1, e2]" : "[N, C, D, H, W]";
  require(
    spec.shape.length === (blocks ? 6 : 5),
    op,
    `${name} has shape [${spec.shape}], wanted ${wanted}`,
    spec.shape,
    wanted,
  );
  const [n, c] = spec.shape;
  const size =
    (spec.layout.kind === "blocks"
      ? spec.layout.grid.map((cells, axis) => cells * spec.shape[3 + axis])
      : spec.shape.slice(2)) as unknown as Dims3;
  return { n, c, size, voxels: size[0] * size[1] * size[2] };
}

/** Requires one shape and element type for two tensors. @throws {ShapeError} */
export function requireSame(op: string, a: TensorSpec, b: TensorSpec, names: string): void {
  requireSameShape(op, a, b, names);
  requireSameType(op, a, b, names);
}

/** Requires one element type for two tensors. @throws {ShapeError} */
export function requireSameType(op: string, a: TensorSpec, b: TensorSpec, names: string): void {
  require(
    a.dtype === b.dtype,
    op,
    `${names} are ${a.dtype} and ${b.dtype}, wanted one type: cast one of them`,
    b.dtype,
    a.dtype,
  );
}

/** Requires an element type to compute with. @throws {ShapeError} */
export function requireFloat(op: string, name: string, spec: TensorSpec): void {
  require(
    spec.dtype === "f32" || spec.dtype === "f16",
    op,
    `${name} is ${spec.dtype}, wanted f32 or f16`,
    spec.dtype,
  );
}

/** Requires f32, which statistics, parameters, their gradients and masks always are. @throws {ShapeError} */
export function requireSingle(op: string, name: string, spec: TensorSpec): void {
  require(spec.dtype === "f32", op, `${name} is ${spec.dtype}, wanted f32`, spec.dtype, "f32");
}

/** Requires one shape for two tensors, whatever their element types. @throws {ShapeError} */
export function requireSameShape(op: string, a: TensorSpec, b: TensorSpec, names: string): void {
  require(
    sameShape(a.shape, b.shape) && sameShape(gridOf(a), gridOf(b)),
    op,
    `${names} have shapes [${a.shape}] (${a.layout.kind}) and [${b.shape}] (${b.layout.kind}), wanted equal shapes and layouts`,
  );
}

/** Grid of a tensor in the block layout; empty for a dense one. */
function gridOf({ layout }: TensorSpec): readonly number[] {
  return layout.kind === "blocks" ? layout.grid : [];
}

/** Cost of reading all inputs and writing all outputs once, with `flop` operations. */
export function streamCost(
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  flop: number,
): Cost {
  const bytes = (specs: readonly TensorSpec[]) => specs.reduce((sum, s) => sum + byteLength(s), 0);
  return { flop, bytesRead: bytes(inputs), bytesWritten: bytes(outputs) };
}

/** Total elements of the first spec. */
export function count(specs: readonly TensorSpec[]): number {
  return elementCount(specs[0].shape);
}

/**
 * Edge of the mask's blocks at a size.
 *
 * @param mask spec `[N, 1, g0, g1, g2]`
 * @throws {ShapeError} when the size is not a multiple of the grid; sizes below the grid must be treated as unmasked by the caller
 */
export function blockEdge(op: string, mask: TensorSpec, n: number, size: Dims3): Dims3 {
  const { n: masks, c, size: grid } = volume(op, "mask", mask);
  require(
    masks === n && c === 1,
    op,
    `mask has shape [${mask.shape}], wanted [${n}, 1, g0, g1, g2]`,
    mask.shape,
  );
  return gridEdge(op, grid, size);
}

/** Voxels of a grid's cell along each axis at a size. @throws {ShapeError} when the size is no multiple of the grid */
export function gridEdge(op: string, grid: Dims3, size: Dims3): Dims3 {
  const edge = size.map((extent, axis) => extent / grid[axis]);
  require(
    edge.every((e) => Number.isInteger(e) && e >= 1),
    op,
    `size ${size.join("x")} is no multiple of the mask grid ${
      grid.join("x")
    }: choose patch and block so that every level is`,
    size,
    grid,
  );
  return edge as unknown as Dims3;
}

/** Calls `visit(index, maskIndex)` for every voxel of sample `n`, with offsets inside one channel and inside the mask. */
export function forEachMasked(
  n: number,
  size: Dims3,
  grid: Dims3,
  visit: (voxel: number, cell: number) => void,
): void {
  const [d, h, w] = size;
  const [ed, eh, ew] = [d / grid[0], h / grid[1], w / grid[2]];
  let voxel = 0;
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const cell = ((n * grid[0] + Math.floor(z / ed)) * grid[1] + Math.floor(y / eh)) * grid[2] +
          Math.floor(x / ew);
        visit(voxel++, cell);
      }
    }
  }
}
