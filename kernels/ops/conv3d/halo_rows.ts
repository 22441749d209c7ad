/** WGSL that finds the rows of an operand around a tile that moves along the rows of another one. */
import type { Param } from "../../wgsl/module.ts";
import { dims } from "./geometry.ts";
import { key } from "./placement.ts";
import { extentOf, type Pair } from "./weight_gradient_pair.ts";
import type { WeightTile } from "./weight_gradient_tile.ts";

/** Where along a row a vector lies: inside, before or behind the part that belongs to the still operand's row. */
export type Side1D = "before" | "inside" | "behind";

/** Offsets of rows from the first halo row of a tile, along depth and height. */
export interface RowOffset {
  readonly z: number;
  readonly y: number;
}

type Class = "m" | "c" | "p";
const SIDES: Readonly<Record<Side1D, Class>> = { before: "m", inside: "c", behind: "p" };

/**
 * Addresses of halo rows. A dense operand has one address and one check a row; one in blocks has an address within the block
 * for each row and a look-up for each neighbouring block that rows may reach.
 *
 * The kernel declares the still operand's position: `n` (u32), `table` (first element of the sample in the block table),
 * `block`, `z0`, `y0` (i32) and binds the table as `blockTable`.
 */
export class HaloRows {
  readonly #stillBlocks: boolean;
  readonly #haloBlocks: boolean;

  constructor(readonly pair: Pair, readonly tile: WeightTile, readonly rows: readonly RowOffset[]) {
    this.#stillBlocks = pair.still.placement.blocks !== null;
    this.#haloBlocks = pair.halo.placement.blocks !== null;
  }

  /** Members of the uniform block; lengths along rows are in vectors of the tile's width. */
  params(): Record<string, Param> {
    const { pair: { still, halo, stride, dilation }, tile: { width, stillWidth } } = this;
    const s = extentOf(still.placement);
    const h = extentOf(halo.placement);
    const blocks = still.placement.blocks ?? halo.placement.blocks;
    const length = this.#stillBlocks ? s[2] * stride[2] : h[2];
    const params: Record<string, number> = {
      stillD: s[0],
      stillH: s[1],
      stillW: s[2] / stillWidth,
      haloD: h[0],
      haloH: h[1],
      haloW: h[2] / width,
      haloLength: length / width,
      ...(blocks
        ? {
          gridD: blocks.grid[0],
          gridH: blocks.grid[1],
          gridW: blocks.grid[2],
          cells: blocks.grid[0] * blocks.grid[1] * blocks.grid[2],
        }
        : {}),
      ...(this.#stillBlocks && !this.#haloBlocks ? { haloEnd: h[2] * dilation[2] / width } : {}),
    };
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, { i32: value }]));
  }

  /** WGSL (i32) of a vector's place in its channel. @param column WGSL (i32), vectors from the row's start */
  index(row: RowOffset, side: Side1D, column: string): string {
    const at = `h${rowKey(row)}`;
    const dilation = this.pair.dilation[2];
    if (this.#haloBlocks && !this.pair.bordered) {
      return `${this.#block(row, SIDES[side])} + ${at} + ${column}`;
    }
    return dilation > 1 ? `${at} + (hx0 + ${column}) / ${dilation}` : `${at} + ${column}`;
  }

  /** WGSL (bool) of whether a vector is stored; null where it always is. */
  stored(row: RowOffset, side: Side1D, column: string): string | null {
    if (this.pair.bordered) return null;
    if (this.#haloBlocks) return `k${this.#block(row, SIDES[side]).slice(1)}`;
    const dilation = this.pair.dilation[2];
    return [
      `kh${rowKey(row)}`,
      ...(side === "inside" ? [] : [side]),
      ...(dilation > 1 ? [`((hx0 + ${column}) % ${dilation} == 0)`] : []),
    ].join(" & ");
  }

  #denseRows(): string[] {
    const { stride, dilation } = this.pair;
    const start = dims((a) => a).map((a) => {
      const origin = ["z0", "y0", "0"][a];
      const cell = `cell${"zyx"[a]} * p.still${"DHW"[a]}`;
      return `(${this.#stillBlocks ? `${cell} + ${origin}` : origin}) * ${stride[a]}`;
    });
    const inside = (name: string, axis: 0 | 1) =>
      dilation[axis] === 1
        ? `(${name} >= 0) & (${name} < p.halo${"DH"[axis]})`
        : `(${name} >= 0) & (${name} < p.halo${"DH"[axis]} * ${dilation[axis]}) & (${name} % ${
          dilation[axis]
        } == 0)`;
    const place = (name: string, axis: 0 | 1) =>
      dilation[axis] === 1 ? name : `(${name} / ${dilation[axis]})`;
    return [
      `let hz0 = ${start[0]}; let hy0 = ${start[1]}; let hx0 = ${start[2]};`,
      this.#stillBlocks
        ? `let before = hx0 > 0; let behind = hx0 + p.haloLength < p.haloEnd;`
        : `let before = false; let behind = false;`,
      ...distinct(this.rows.map((r) => r.z)).map((z) =>
        `let hz${key(z)} = hz0 + ${z}; let kz${key(z)} = ${inside(`hz${key(z)}`, 0)};`
      ),
      ...distinct(this.rows.map((r) => r.y)).map((y) =>
        `let hy${key(y)} = hy0 + ${y}; let ky${key(y)} = ${inside(`hy${key(y)}`, 1)};`
      ),
      ...this.rows.map((r) =>
        `let h${rowKey(r)} = (${place(`hz${key(r.z)}`, 0)} * p.haloH + ${
          place(`hy${key(r.y)}`, 1)
        }) * p.haloW${dilation[2] === 1 ? " + hx0" : ""}; let kh${rowKey(r)} = kz${key(r.z)} & ky${key(r.y)};`
      ),
    ];
  }

  /** Class of a row along an axis: in a block before, in the tile's own, or behind. */
  #class(offset: number, axis: 0 | 1): Class {
    return offset < 0 ? "m" : offset >= this.tile.size[axis] * this.pair.stride[axis] ? "p" : "c";
  }

  #block(row: RowOffset, x: Class): string {
    return `b${this.#class(row.z, 0)}${this.#class(row.y, 1)}${x}`;
  }

  /** Names of the blocks that rows reach. */
  #blocks(): string[] {
    const sides: Class[] = this.tile.columns.sides.map((side) => SIDES[side]);
    return distinct(this.rows.flatMap((row) => sides.map((x) => this.#block(row, x))));
  }

  /** Steps to the neighbours that rows may reach: `[dz, dy, dx]` as classes. */
  #neighbours(): [Class, Class, Class][] {
    const names = this.#blocks();
    const along = (at: number) => distinct<Class>(["c", ...names.map((name) => name[at] as Class)]);
    return along(1).flatMap((z) =>
      along(2).flatMap((y) => along(3).map((x): [Class, Class, Class] => [z, y, x]))
    )
      .filter(([z, y, x]) => z !== "c" || y !== "c" || x !== "c");
  }

  /** Statements at the start of a block: its cell, and where the blocks around it start, -1 where they are not kept. */
  blockLines(): string[] {
    if (!this.#stillBlocks || this.pair.bordered) return [];
    const position = [
      `let cell = blockTable[u32(table + 1 + p.cells + block)];`,
      `let cellrow = cell / p.gridW; let cellx = cell - cellrow * p.gridW;`,
      `let cellz = cellrow / p.gridH; let celly = cellrow - cellz * p.gridH;`,
    ];
    if (!this.#haloBlocks) return position;
    const size = `let blockSize = p.haloD * p.haloH * p.haloW; let own = block * blockSize;`;
    const around = this.#neighbours();
    if (around.length === 0) return [size];
    const used = (name: string, c: Class) => around.some((at) => at["zyx".indexOf(name)] === c);
    const axes = [["z", "D", "p.gridH * p.gridW"], ["y", "H", "p.gridW"], ["x", "W", "1"]] as const;
    return [
      size,
      ...position,
      ...axes.flatMap(([name, extent, step]) => [
        `let c${name}c = cell${name} * ${step}; let in${name}c = true;`,
        ...(used(name, "m")
          ? [`let c${name}m = c${name}c - ${step}; let in${name}m = cell${name} > 0;`]
          : []),
        ...(used(name, "p")
          ? [`let c${name}p = c${name}c + ${step}; let in${name}p = cell${name} + 1 < p.grid${extent};`]
          : []),
      ]),
      `let cells = table + 1;`,
      ...around.flatMap(([z, y, x]) => {
        const at = `${z}${y}${x}`;
        const inside = `inz${z} & iny${y} & inx${x}`;
        return [
          `let t${at} = blockTable[u32(cells + select(0, cz${z} + cy${y} + cx${x}, ${inside}))];`,
          `let next${at} = select(-1, t${at} * blockSize, (t${at} >= 0) & ${inside});`,
        ];
      }),
    ];
  }

  /** Statements at the start of a row of tiles. */
  rowLines(): string[] {
    if (this.pair.bordered) return this.#borderedRows();
    return this.#haloBlocks ? this.#blockRows() : this.#denseRows();
  }

  #borderedRows(): string[] {
    const { stride } = this.pair;
    return this.rows.map((r) =>
      `let h${rowKey(r)} = ((block * p.haloD + z0 * ${stride[0]} + ${r.z}) * p.haloH + y0 * ${
        stride[1]
      } + ${r.y}) * p.haloW;`
    );
  }

  #blockRows(): string[] {
    const { stride } = this.pair;
    const lines: string[] = [];
    for (const [a, name, extent] of [[0, "z", "D"], [1, "y", "H"]] as const) {
      const offsets = distinct(this.rows.map((r) => a === 0 ? r.z : r.y));
      lines.push(
        `let out${name}m = ${name}0 == 0; let out${name}p = ${name}0 + ${
          this.tile.size[a]
        } == p.still${extent};`,
      );
      for (const o of offsets) {
        const c = this.#class(o, a);
        const moved = {
          m: ` + select(0, p.halo${extent}, out${name}m)`,
          c: "",
          p: ` - select(0, p.halo${extent}, out${name}p)`,
        };
        lines.push(`let h${name}${key(o)} = ${name}0 * ${stride[a]} + ${o}${moved[c]};`);
      }
    }
    const shift = { m: " + p.haloW", c: "", p: " - p.haloW" };
    for (const name of this.#blocks()) {
      const [z, y, x] = [...name.slice(1)] as Class[];
      const start = (z: Class, y: Class) => z === "c" && y === "c" && x === "c" ? "own" : `next${z}${y}${x}`;
      const within = (z: Class) =>
        y === "c" ? start(z, y) : `select(${start(z, "c")}, ${start(z, y)}, outy${y})`;
      const found = z === "c" ? within(z) : `select(${within("c")}, ${within(z)}, outz${z})`;
      lines.push(`let at${name} = ${found};`, `let k${name.slice(1)} = at${name} >= 0;`);
      lines.push(`let ${name} = at${name}${shift[x]};`);
    }
    for (const r of this.rows) {
      lines.push(`let h${rowKey(r)} = (hz${key(r.z)} * p.haloH + hy${key(r.y)}) * p.haloW;`);
    }
    return lines;
  }
}

/** A row's offsets as part of a WGSL name. */
export function rowKey(row: RowOffset): string {
  return `${key(row.z)}${key(row.y)}`;
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
