/** WGSL of one row of tiles of a weight gradient: loads, multiply-adds, and what the next tile keeps. */
import { type KernelDraft, load, storageType } from "../../wgsl/module.ts";
import { HaloRows, rowKey, type RowOffset, type Side1D } from "./halo_rows.ts";
import { key } from "./placement.ts";
import { extentOf, type Pair, type Side } from "./weight_gradient_pair.ts";
import type { WeightTile, Width } from "./weight_gradient_tile.ts";

type Binding = KernelDraft["bindings"][number];

/** One multiply-add: which tap, which still voxel, which number of which halo row. */
export interface Product {
  readonly tap: number;
  readonly cell: readonly [z: number, y: number, x: number];
  readonly row: RowOffset;
  readonly vector: number;
  readonly part: number;
}

/** An operand with loads of `width` numbers. */
export function bound(side: Side, name: string, width: Width): Binding {
  return { ...side.binding, name, type: storageType(side.spec.dtype, width) };
}

/** `count` values. */
export function times<T>(count: number, f: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => f(i));
}

/** Name of the sums of one tap, group of still channels and halo channel. */
export function sumName(tap: number, quad: number, halo: number): string {
  return `a${tap}_${quad}_${halo}`;
}

/** Name of the sums of a group of still channels. */
export function totalName(quad: number): string {
  return `t${quad}`;
}

/** All products of a tile, tap by tap. */
export function productsOf(
  { kernel: [kd, kh, kw], stride, padding }: Pair,
  { size, width }: WeightTile,
): Product[] {
  const products: Product[] = [];
  for (let tap = 0; tap < kd * kh * kw; tap++) {
    const [i, j, k] = [Math.floor(tap / (kh * kw)), Math.floor(tap / kw) % kh, tap % kw];
    for (let z = 0; z < size[0]; z++) {
      for (let y = 0; y < size[1]; y++) {
        const row = { z: z * stride[0] + i - padding[0], y: y * stride[1] + j - padding[1] };
        for (let x = 0; x < size[2]; x++) {
          const column = x * stride[2] + k - padding[2];
          const vector = Math.floor(column / width);
          products.push({ tap, cell: [z, y, x], row, vector, part: column - vector * width });
        }
      }
    }
  }
  return products;
}

/** Rows of the still operand in a tile. Tiles may reach over the end of a volume, never of a block. */
export function stillRows({ still }: Pair, tile: WeightTile): string[] {
  return times(
    tile.size[0],
    (z) =>
      times(
        tile.size[1],
        (y) =>
          `let r${z}${y} = ((${
            still.placement.blocks ? "block * p.stillD + " : ""
          }z0 + ${z}) * p.stillH + y0 + ${y}) * p.stillW;` +
          (still.placement.blocks
            ? ""
            : ` let in${z}${y} = (z0 + ${z} < p.stillD) & (y0 + ${y} < p.stillH);`),
      ),
  ).flat();
}

/** The tiles of a row: loads, products, and what the next tile keeps. @param totals whether to add up the still operand */
export function rowLines(
  pair: Pair,
  tile: WeightTile,
  products: readonly Product[],
  halos: HaloRows,
  totals: boolean,
): string[] {
  const { columns: { used, kept, advance } } = tile;
  const rows = [...new Map(products.map(({ row }) => [rowKey(row), row])).values()];
  const each = (f: (row: RowOffset, c: number) => string[]) =>
    rows.flatMap((row) => times(tile.halos, (c) => f(row, c)).flat());
  const loaded = new Set<string>();
  const step: string[] = [...stillLoads(pair, tile), ...(totals ? stillSums(tile) : [])];
  products.forEach(({ tap, row, vector, part, cell }, at) => {
    if (at === 0 || products[at - 1].tap !== tap) {
      const fresh = products.filter((p) => p.tap === tap && !loaded.has(rowKey(p.row))).map((p) => p.row);
      for (const row of new Map(fresh.map((r) => [rowKey(r), r])).values()) {
        loaded.add(rowKey(row));
        times(tile.halos, (c) => {
          for (const m of used.filter((m) => !kept.includes(m))) {
            step.push(`let ${windowName(row, c, m)} = ${stepLoad(pair, tile, halos, row, c, m)};`);
          }
        });
      }
    }
    times(tile.quads, (q) =>
      times(tile.halos, (c) => {
        const sum = sumName(tap, q, c);
        const value = windowName(row, c, vector) + partOf(tile.width, part);
        step.push(`${sum} = fma(g${cell.join("")}_${q}, vec4f(${value}), ${sum});`);
      }));
  });
  if (tile.whole) return [`let x = 0; let column = 0;`, ...step];
  const stride = pair.stride[2] * tile.stillWidth / tile.width;
  const advanceX = tile.size[2] / tile.stillWidth;
  return [
    ...each((row, c) =>
      kept.map((m) => {
        const load = haloLoad(
          tile,
          halos,
          pair,
          row,
          c,
          `${m}`,
          m < 0 ? "before" : "inside",
          m > 0 && tile.width === 1,
        );
        return `var ${windowName(row, c, m)} = ${load};`;
      })
    ),
    tile.lanes === 1
      ? `for (var x = 0; x < p.stillW; x = x + ${advanceX}) {`
      : `for (var x = i32(lane) * ${advanceX}; x < p.stillW; x = x + ${tile.lanes * advanceX}) {`,
    `let column = x${stride === 1 ? "" : ` * ${stride}`};`,
    ...step,
    ...each((row, c) => kept.map((m) => `${windowName(row, c, m)} = ${windowName(row, c, m + advance)};`)),
    `}`,
  ];
}

/** WGSL of vector m of a halo row, as a tile loads it. */
function stepLoad(
  pair: Pair,
  tile: WeightTile,
  halos: HaloRows,
  row: RowOffset,
  c: number,
  m: number,
): string {
  const column = m === 0 ? "column" : `(column + ${m})`;
  if (!tile.whole) {
    return haloLoad(tile, halos, pair, row, c, column, "inside", m > 0 && canEnd(pair, tile, m));
  }
  const side = m < 0 ? "before" : m >= tile.columns.advance ? "behind" : "inside";
  return haloLoad(tile, halos, pair, row, c, column, side, false);
}

/** Whether vector m of a tile may lie behind the row. */
function canEnd(pair: Pair, tile: WeightTile, m: number): boolean {
  const [row, halo] = [extentOf(pair.still.placement)[2] * pair.stride[2], extentOf(pair.halo.placement)[2]];
  return m >= tile.columns.advance || overhangs(pair, tile) || row > halo * pair.dilation[2];
}

/** Whether the last tile of a row may reach over its end. */
function overhangs({ still }: Pair, tile: WeightTile): boolean {
  return still.placement.blocks === null && tile.width === 1 && tile.size[2] > 1;
}

/** WGSL of the zero of a load. */
function zeroOf(width: Width): string {
  return width === 1 ? "0.0" : `vec${width}f()`;
}

/** WGSL that takes one number of a load. */
function partOf(width: Width, part: number): string {
  return width === 1 ? "" : `.${"xyzw"[part]}`;
}

function windowName(row: RowOffset, halo: number, vector: number): string {
  return `w${rowKey(row)}${key(vector)}_${halo}`;
}

/** WGSL of a halo vector, 0 where it is not stored. @param ends whether it may lie behind the row */
function haloLoad(
  tile: WeightTile,
  halos: HaloRows,
  pair: Pair,
  row: RowOffset,
  c: number,
  column: string,
  side: Side1D,
  ends: boolean,
): string {
  const from = bound(pair.halo, "haloData", tile.width);
  const either = (inside: string, behind: string) =>
    ends && inside !== behind ? `select(${inside}, ${behind}, ${column} >= p.haloLength)` : inside;
  const index = either(halos.index(row, side, column), halos.index(row, "behind", column));
  const value = load(from, `u32(halo${c} + ${index})`);
  const stored = halos.stored(row, side, column);
  if (stored === null) return value;
  return `select(${zeroOf(tile.width)}, ${value}, ${either(stored, halos.stored(row, "behind", column)!)})`;
}

function stillSums({ size, quads }: WeightTile): string[] {
  return times(
    quads,
    (q) =>
      times(
        size[0],
        (z) =>
          times(size[1], (y) =>
            times(size[2], (x) => `${totalName(q)} = ${totalName(q)} + g${z}${y}${x}_${q};`)),
      ),
  ).flat(3);
}

/** Loads of the still operand, as four channels a voxel. */
function stillLoads(pair: Pair, tile: WeightTile): string[] {
  const { size, stillWidth: width, quads } = tile;
  const from = bound(pair.still, "stillData", tile.stillWidth);
  const dense = pair.still.placement.blocks === null;
  const lines: string[] = [];
  times(size[0], (z) =>
    times(size[1], (y) =>
      times(quads, (q) =>
        times(size[2] / width, (v) => {
          const zero = zeroOf(width);
          const at = `${z}${y}${v}_${q}`;
          const checks = [
            ...(dense ? [`in${z}${y}`] : []),
            ...(overhangs(pair, tile) ? [`(x + ${v} < p.stillW)`] : []),
          ];
          times(4, (j) => {
            const value = load(from, `u32(still${4 * q + j} + r${z}${y} + x + ${v})`);
            lines.push(
              `let d${at}_${j} = ${
                checks.length > 0 ? `select(${zero}, ${value}, ${checks.join(" & ")})` : value
              };`,
            );
          });
          times(width, (t) => {
            const part = partOf(width, t);
            lines.push(`let g${z}${y}${v * width + t}_${q} = vec4f(${
              times(4, (j) => `d${at}_${j}${part}`).join(", ")
            });`);
          });
        }))));
  return lines;
}
