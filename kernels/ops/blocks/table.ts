/**
 * Which blocks of a volume are kept, as a tensor: `[N, 1 + G + K]` of i32, G cells of the grid in C order, K the capacity.
 * Per sample: the number of kept blocks; for each cell its kept block or -1; for each kept block its cell (-1 when unused).
 */
import type { Dims3, TensorSpec } from "../../spec.ts";
import { DENSE } from "../../spec.ts";
import { gridEdge, require } from "../check.ts";

/** A grid of blocks and how many of them a tensor has room for, per sample. */
export interface BlockGrid {
  /** Cells per axis. */
  readonly grid: Dims3;
  /** Capacity for kept blocks. */
  readonly kept: number;
}

/** Cells of a grid. */
export function cellCount(grid: Dims3): number {
  return grid[0] * grid[1] * grid[2];
}

/** Spec of a block table: `[N, 1 + G + K]` of i32. */
export function blockTable(n: number, { grid, kept }: BlockGrid): TensorSpec {
  return { shape: [n, 1 + cellCount(grid) + kept], dtype: "i32", layout: DENSE };
}

/**
 * Contents of one sample's row of a block table.
 *
 * @param kept `[G]`, 1 = kept, 0 = hidden
 * @throws {ShapeError} when there are more kept cells than room, or another number of cells
 */
export function blockTableRow(kept: ArrayLike<number>, at: BlockGrid): Int32Array<ArrayBuffer> {
  const cells = cellCount(at.grid);
  require(kept.length === cells, "blockTable", `found ${kept.length} cells for grid ${at.grid.join("x")}`);
  const row = new Int32Array(1 + cells + at.kept).fill(-1);
  let count = 0;
  for (let cell = 0; cell < cells; cell++) {
    if (!kept[cell]) continue;
    require(count < at.kept, "blockTable", `found more than ${at.kept} kept blocks: raise the capacity`);
    row[1 + cell] = count;
    row[1 + cells + count++] = cell;
  }
  row[0] = count;
  return row;
}

/**
 * Spec of a tensor in the block layout.
 *
 * @param size voxels per axis of the volume it is cut from
 * @throws {ShapeError} when the size is no multiple of the grid
 */
export function blocksSpec(
  op: string,
  n: number,
  channels: number,
  size: Dims3,
  { grid, kept }: BlockGrid,
  dtype: TensorSpec["dtype"] = "f32",
): TensorSpec {
  const edge = gridEdge(op, grid, size);
  return { shape: [n, channels, kept, ...edge], dtype, layout: { kind: "blocks", grid } };
}

/** Grid and capacity of a tensor; null for a dense one. */
export function blockGridOf(spec: TensorSpec): BlockGrid | null {
  return spec.layout.kind === "blocks" ? { grid: spec.layout.grid, kept: spec.shape[2] } : null;
}

/** Edge of the blocks of a tensor in the block layout. */
export function blockEdgeOf(spec: TensorSpec): Dims3 {
  return spec.shape.slice(3) as unknown as Dims3;
}

/** Requires a table that belongs to a grid. @throws {ShapeError} */
export function requireTable(op: string, table: TensorSpec | undefined, n: number, at: BlockGrid): void {
  const wanted = blockTable(n, at).shape;
  require(
    table !== undefined && table.dtype === "i32" && table.shape.length === 2 &&
      table.shape[0] === wanted[0] &&
      table.shape[1] === wanted[1],
    op,
    `block table is ${table ? `${table.dtype} [${table.shape}]` : "missing"}, wanted i32 [${wanted}]`,
    table?.shape,
    wanted,
  );
}
