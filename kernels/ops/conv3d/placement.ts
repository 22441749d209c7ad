/** WGSL that finds voxels around a tile in dense or block-layout tensors. Shared by the convolution kernels. */
import type { Dims3, TensorSpec } from "../../spec.ts";
import type { Param } from "../../wgsl/module.ts";
import { blockEdgeOf, blockGridOf } from "../blocks/table.ts";
import { volume } from "../check.ts";
import { volumeOf } from "./geometry.ts";

/** Blocks of a tensor: their edge and number, and the grid they are cut from. */
export interface BlockPlacement {
  readonly edge: Dims3;
  readonly kept: number;
  readonly grid: Dims3;
  /** Whether the block table says which cells are kept; otherwise the blocks are all cells of a dense volume, in its order. */
  readonly table: boolean;
}

/** Extent of a volume and, in the block layout, which part of it is stored. */
export interface Placement {
  readonly size: Dims3;
  readonly blocks: BlockPlacement | null;
}

/** Placement of an activation. */
export function placementOf(spec: TensorSpec): Placement {
  const { size } = volume("placement", "x", spec);
  const at = blockGridOf(spec);
  return { size, blocks: at && { ...at, edge: blockEdgeOf(spec), table: true } };
}

/** A dense volume as the only block of its grid: a kernel reads it by the text that reads kept blocks. */
export function asOneBlock({ size }: Placement): Placement {
  return { size, blocks: { edge: size, kept: 1, grid: [1, 1, 1], table: false } };
}

/** Elements stored for one channel of one sample. */
export function storedVoxels({ size, blocks }: Placement): number {
  return blocks?.table ? blocks.kept * volumeOf(blocks.edge) : volumeOf(size);
}

/** Whether tiles that start every `step` voxels never straddle blocks, or cover whole blocks. */
export function fitsBlocks(placement: Placement, step: Dims3): boolean {
  return !placement.blocks || placement.blocks.edge.every((e, a) => e % step[a] === 0 || step[a] % e === 0);
}

/** Members of the uniform block that {@link PointReader} reads, with names that start with `prefix`. */
export function placementParams(prefix: string, placement: Placement): Record<string, Param> {
  const { size, blocks } = placement;
  const params: Record<string, Param> = {
    [`${prefix}D`]: { i32: size[0] },
    [`${prefix}H`]: { i32: size[1] },
    [`${prefix}W`]: { i32: size[2] },
    [`${prefix}Voxels`]: { i32: storedVoxels(placement) },
  };
  if (blocks) {
    const [e0, e1, e2] = blocks.edge;
    Object.assign(params, {
      [`${prefix}E0`]: { i32: e0 },
      [`${prefix}E1`]: { i32: e1 },
      [`${prefix}E2`]: { i32: e2 },
      [`${prefix}R0`]: { f32: 1 / e0 },
      [`${prefix}R1`]: { f32: 1 / e1 },
      [`${prefix}R2`]: { f32: 1 / e2 },
      [`${prefix}Table`]: { i32: blocks.table ? 1 : 0 },
    });
  }
  return params;
}

/** Members of the uniform block that describe the block table, zeros without one. */
export function tableParams(blocks: BlockPlacement | null): Record<string, Param> {
  const [, gridH, gridW] = blocks?.grid ?? [0, 0, 0];
  const cells = blocks ? volumeOf(blocks.grid) : 0;
  return {
    gridH: { i32: gridH },
    gridW: { i32: gridW },
    cells: { i32: cells },
    tableLength: { i32: blocks ? 1 + cells + blocks.kept : 0 },
  };
}

/** WGSL (i32) of a coordinate divided by the edge of a block, rounded down; exact below two million voxels. */
function cellOf(coordinate: string, reciprocal: string): string {
  return `i32(floor((f32(${coordinate}) + 0.5) * ${reciprocal}))`;
}

/** A plane of points: a name and, from the depth of the tile's first voxel, the WGSL (i32) of its depth in the volume. */
export interface Plane {
  readonly key: string;
  readonly z: (iz: string) => string;
}

/**
 * Reads points around a tile that starts at voxel (`iz`, `iy`, `ix`), i32 variables of the kernel; with a suffix where a thread
 * has several tiles.
 *
 * In a dense tensor every row has an address and every column a check. In the block layout points fall into classes, one
 * for each block they may lie in: before the tile, in its own block, behind it. A class costs one look-up in `table`.
 * The kernel declares `iy`, `ix`, `n` (u32) and binds the table as `blockTable`; where there is none, any tensor does.
 */
export class PointReader {
  /**
   * @param member start of the uniform's members, which also starts all names
   * @param suffix of the tile's variables and of all names
   * @param step voxels from tile to tile along each axis
   * @param offsets offsets along height and width of all points
   * @param divisors divide the coordinates of every point, which is absent where they leave a remainder; dense tensors only
   */
  constructor(
    readonly member: string,
    readonly suffix: string,
    readonly binding: string,
    readonly placement: Placement,
    readonly step: Dims3,
    readonly offsets: { readonly y: readonly number[]; readonly x: readonly number[] },
    readonly divisors: Dims3 = [1, 1, 1],
  ) {}

  get prefix(): string {
    return `${this.member}${this.suffix}`;
  }

  /** Class of an offset along an axis: constant for offsets that always lie in one block together. */
  #class(axis: 1 | 2, offset: number): number {
    const edge = this.placement.blocks!.edge[axis];
    const step = this.step[axis];
    if (edge < step) return Math.floor(offset / edge);
    return offset < 0 ? -1 : offset >= step ? 1 : 0;
  }

  /** First offset of every class along an axis. */
  #classes(axis: 1 | 2): [number, number][] {
    const first = new Map<number, number>();
    for (const o of axis === 1 ? this.offsets.y : this.offsets.x) {
      const c = this.#class(axis, o);
      first.set(c, Math.min(o, first.get(c) ?? o));
    }
    return [...first];
  }

  /** Coordinate of a point after division, and whether it is a whole number not below 0. */
  #divided(axis: 0 | 1 | 2, coordinate: string): { at: string; ok: string } {
    const by = this.divisors[axis];
    if (by === 1) return { at: coordinate, ok: `(${coordinate} >= 0)` };
    return { at: `(${coordinate}) / ${by}`, ok: `(${coordinate} >= 0) & ((${coordinate}) % ${by} == 0)` };
  }

  /** Statements before the planes: what depends on height and width alone. */
  axisLines(): string[] {
    const { prefix: s, member: u, suffix, placement: { blocks } } = this;
    const lines: string[] = [];
    for (const [axis, name, extent] of [[1, "y", "H"], [2, "x", "W"]] as const) {
      if (!blocks) {
        for (const o of name === "y" ? this.offsets.y : this.offsets.x) {
          const { at, ok } = this.#divided(axis, `i${name}${suffix} + ${o}`);
          lines.push(
            `let ${s}${name}${key(o)} = ${at};`,
            `let ${s}ok${name}${key(o)} = ${ok} & (${s}${name}${key(o)} < p.${u}${extent});`,
          );
        }
        continue;
      }
      for (const [c, o] of this.#classes(axis)) {
        const at = `${s}${name}${key(c)}`;
        lines.push(
          `let ${at}ok = (i${name}${suffix} + ${o} >= 0) & (i${name}${suffix} + ${o} < p.${u}${extent});`,
          `let ${at}cell = ${cellOf(`i${name}${suffix} + ${o}`, `p.${u}R${axis}`)};`,
          `let ${at}in = i${name}${suffix} - ${at}cell * p.${u}E${axis};`,
        );
      }
    }
    return lines;
  }

  /** Statements that place the points of a plane. */
  planeLines(plane: Plane): string[] {
    const { prefix: s, member: u, suffix, placement: { blocks } } = this;
    const { at, ok } = this.#divided(0, plane.z(`iz${suffix}`));
    const lines = [
      `let ${s}z${plane.key} = ${at};`,
      `let ${s}okz${plane.key} = ${ok} & (${s}z${plane.key} < p.${u}D);`,
    ];
    if (!blocks) {
      for (const oy of this.offsets.y) {
        const row = `${plane.key}${key(oy)}`;
        lines.push(
          `let ${s}r${row} = (${s}z${plane.key} * p.${u}H + ${s}y${key(oy)}) * p.${u}W;`,
          `let ${s}k${row} = ${s}okz${plane.key} & ${s}oky${key(oy)};`,
        );
      }
      return lines;
    }
    lines.push(
      `let ${s}cz${plane.key} = ${cellOf(`${s}z${plane.key}`, `p.${u}R0`)};`,
      `let ${s}iz${plane.key} = ${s}z${plane.key} - ${s}cz${plane.key} * p.${u}E0;`,
    );
    for (const [cy] of this.#classes(1)) {
      for (const [cx] of this.#classes(2)) {
        const at = `${plane.key}${key(cy)}${key(cx)}`;
        const [y, x] = [`${s}y${key(cy)}`, `${s}x${key(cx)}`];
        lines.push(
          `let ${s}i${at} = ${s}okz${plane.key} & ${y}ok & ${x}ok;`,
          `let ${s}b${at} = select(-1, blockTable[u32(i32(n) * p.tableLength + 1 + select(0, (${s}cz${plane.key} * p.gridH + ${y}cell) * p.gridW + ${x}cell, ${s}i${at}))] * p.${u}Table, ${s}i${at});`,
          `let ${s}k${at} = ${s}b${at} >= 0;`,
          `let ${s}a${at} = ((${s}b${at} * p.${u}E0 + ${s}iz${plane.key}) * p.${u}E1 + ${y}in) * p.${u}E2 + ${x}in;`,
        );
      }
    }
    for (const oy of this.offsets.y) {
      for (const [cx] of this.#classes(2)) {
        lines.push(
          `let ${s}r${plane.key}${key(oy)}${key(cx)} = ${s}a${plane.key}${key(this.#class(1, oy))}${
            key(cx)
          } + ${oy} * p.${u}E2;`,
        );
      }
    }
    return lines;
  }

  /** Variable that says whether the block of a point is stored; null in a dense tensor, where there are no blocks. */
  stored(plane: Plane, oy: number, ox: number): string | null {
    if (!this.placement.blocks) return null;
    return `${this.prefix}k${plane.key}${key(this.#class(1, oy))}${key(this.#class(2, ox))}`;
  }

  /**
   * WGSL of a point's value, `zero` where it is not stored.
   *
   * @param channel WGSL (i32) of the first element of the channel
   */
  value(
    channel: string,
    plane: Plane,
    oy: number,
    ox: number,
    load: (index: string) => string,
    zero = "0.0",
  ): string {
    const { prefix: s, placement: { blocks } } = this;
    if (!blocks) {
      const row = `${plane.key}${key(oy)}`;
      return `select(${zero}, ${
        load(`u32(${channel} + ${s}r${row} + ${s}x${key(ox)})`)
      }, ${s}k${row} & ${s}okx${key(ox)})`;
    }
    const cx = key(this.#class(2, ox));
    return `select(${zero}, ${
      load(`u32(${channel} + ${s}r${plane.key}${key(oy)}${cx} + ${ox})`)
    }, ${s}k${plane.key}${key(this.#class(1, oy))}${cx})`;
  }
}

/** An offset as part of a WGSL name: `m1` for -1. */
export function key(offset: number): string {
  return offset < 0 ? `m${-offset}` : `p${offset}`;
}
