// Weight gradient of a convolution, first stage: partial sums by chunk of rows, each in a fixed order.
//   dw[s,h,k] = sum_{n,q} still[n,s,q] * halo[n,h, stride*q + k - pad]       (weight_gradient_pair.ts says which is which)
// Layout   operands: dense [N, C, D, H, W] or blocks [N, C, K, e, e, e]; hidden voxels count as 0
//          partials: [chunk, O * I * taps] in the order of the weight
// Work     1 thread = 4*quads still channels x `halos` halo channels x all taps over the rows of one chunk; a tile moves along
//          a row and keeps what it has loaded of the halo (weight_gradient_tile.ts)
// Limits   4 storage bindings at most, no workgroup memory
// Siblings sum_chunks.wgsl.ts (second stage), bias_gradient.wgsl.ts   Reference reference.ts
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, load, storageType, WORKGROUP } from "../../wgsl/module.ts";
import { volumeOf } from "./geometry.ts";
import { HaloRows, rowKey, type RowOffset, type Side1D } from "./halo_rows.ts";
import { key, storedVoxels } from "./placement.ts";
import type { Pair, Side } from "./weight_gradient_pair.ts";
import { tileRows, type WeightTile } from "./weight_gradient_tile.ts";

type Binding = KernelDraft["bindings"][number];

/** Partial sums of one pair over some of the chunks. */
export interface PartialSums {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly pair: Pair;
  readonly tile: WeightTile;
  readonly n: number;
  /** Chunks that all rows are divided into. */
  readonly chunks: number;
  /** Those of this dispatch. */
  readonly from: number;
  readonly to: number;
  /** Sums of a chunk. */
  readonly total: number;
  readonly table: Binding | null;
  readonly partial: Binding;
}

/** One multiply-add: which tap, which still voxel, which number of which halo row. */
interface Product {
  readonly tap: number;
  readonly cell: readonly [z: number, y: number, x: number];
  readonly row: RowOffset;
  readonly vector: number;
  readonly part: number;
}

/** Threads of a chunk. */
export function threadsOf(pair: Pair, tile: WeightTile): number {
  return Math.ceil(pair.still.channels / (4 * tile.quads)) * Math.ceil(pair.halo.channels / tile.halos);
}

/** Text and grid of partial sums. */
export function partialSumsKernel(draft: PartialSums): KernelSpec {
  const { pair, tile, n } = draft;
  const { still, halo } = pair;
  const taps = volumeOf(pair.kernel);
  const products = productsOf(pair, tile);
  const rows = new Map(products.map(({ row }) => [rowKey(row), row]));
  const halos = new HaloRows(pair, tile, [...rows.values()]);
  const blocks = still.placement.blocks;
  const [tilesZ, tilesY] = tileRows(pair, tile);
  const body = [
    `let h = (tid % p.haloGroups) * ${tile.halos}u; let rest = tid / p.haloGroups;`,
    `let s = (rest % p.stillGroups) * ${4 * tile.quads}u; let chunk = p.firstChunk + rest / p.stillGroups;`,
    `if (chunk >= p.endChunk) { return; }`,
    ...sums(tile, taps).map((sum) => `var ${sum} = vec4f();`),
    ...times(4 * tile.quads, (j) => `let s${j} = min(s + ${j}u, p.still - 1u);`),
    ...times(tile.halos, (c) => `let h${c} = min(h + ${c}u, p.halo - 1u);`),
    ...(blocks
      ? [
        `var blocks = 0;`,
        `for (var i = 0u; i < p.n; i++) { blocks = blocks + blockTable[i * u32(p.tableLength)]; }`,
        `let share = (blocks * p.tiles + p.chunks - 1) / p.chunks;`,
      ]
      : [`let share = (i32(p.n) * p.tiles + p.chunks - 1) / p.chunks;`]),
    `var seen = 0;`,
    `for (var n = 0u; n < p.n; n++) {`,
    `let table = i32(n) * p.tableLength;`,
    `let rows = ${blocks ? "blockTable[u32(table)] * p.tiles" : "p.tiles"};`,
    `let end = min(i32(chunk + 1u) * share - seen, rows);`,
    `let first = max(i32(chunk) * share - seen, 0); var row = first;`,
    ...halos.declarations(),
    `seen = seen + rows;`,
    `var ty = row % p.tilesY; let planes = row / p.tilesY; var tz = planes % p.tilesZ; var block = planes / p.tilesZ;`,
    ...times(4 * tile.quads, (j) => `let still${j} = i32((n * p.still + s${j}) * p.stillVoxels);`),
    ...times(tile.halos, (c) => `let halo${c} = i32((n * p.halo + h${c}) * p.haloVoxels);`),
    `for (; row < end; row++) {`,
    `let z0 = tz * ${tile.size[0]}; let y0 = ty * ${tile.size[1]};`,
    ...halos.lines(),
    ...stillRows(pair, tile),
    ...rowLines(pair, tile, products, halos),
    `ty = ty + 1; let nextPlane = ty == p.tilesY; ty = select(ty, 0, nextPlane);`,
    `tz = tz + select(0, 1, nextPlane); let nextBlock = tz == p.tilesZ; tz = select(tz, 0, nextBlock);`,
    `block = block + select(0, 1, nextBlock);`,
    `}`,
    `}`,
    ...storeLines(pair, tile, taps),
  ];
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [
      bound(still, "stillData", tile),
      bound(halo, "haloData", tile),
      ...(blocks ? [draft.table!] : []),
      { ...draft.partial, name: "partials" },
    ],
    params: {
      n,
      still: still.channels,
      halo: halo.channels,
      stillGroups: Math.ceil(still.channels / (4 * tile.quads)),
      haloGroups: Math.ceil(halo.channels / tile.halos),
      stillVoxels: storedVoxels(still.placement) / tile.width,
      haloVoxels: storedVoxels(halo.placement) / tile.width,
      chunks: { i32: draft.chunks },
      firstChunk: draft.from,
      endChunk: draft.to,
      tiles: { i32: tilesZ * tilesY },
      tilesZ: { i32: tilesZ },
      tilesY: { i32: tilesY },
      tableLength: { i32: blocks ? 1 + volumeOf(blocks.grid) + blocks.kept : 0 },
      total: draft.total,
      stillStep: pair.stillStep,
      haloStep: pair.haloStep,
      first: pair.first,
      ...halos.params(),
    },
    groups: Math.ceil(threadsOf(pair, tile) * (draft.to - draft.from) / WORKGROUP),
    body: body.join("\n"),
  });
}

function bound(side: Side, name: string, { width }: WeightTile): Binding {
  return { ...side.binding, name, type: storageType(side.spec.dtype, width) };
}

function times<T>(count: number, f: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => f(i));
}

function sums(tile: WeightTile, taps: number): string[] {
  return times(taps, (k) => times(tile.quads, (q) => times(tile.halos, (c) => sumName(k, q, c)))).flat(2);
}

function sumName(tap: number, quad: number, halo: number): string {
  return `a${tap}_${quad}_${halo}`;
}

/** All products of a tile, tap by tap. */
function productsOf({ kernel: [kd, kh, kw], stride, padding }: Pair, { size, width }: WeightTile): Product[] {
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
function stillRows({ still }: Pair, tile: WeightTile): string[] {
  return times(
    tile.size[0],
    (z) =>
      times(
        tile.size[1],
        (y) =>
          `let r${z}${y} = ((block * p.stillD + z0 + ${z}) * p.stillH + y0 + ${y}) * p.stillW;` +
          (still.placement.blocks
            ? ""
            : ` let in${z}${y} = (z0 + ${z} < p.stillD) & (y0 + ${y} < p.stillH);`),
      ),
  ).flat();
}

/** The loop along a row: loads, products, and what the next tile keeps. */
function rowLines(pair: Pair, tile: WeightTile, products: readonly Product[], halos: HaloRows): string[] {
  const { columns: { used, kept, advance }, width } = tile;
  const rows = new Map(products.map(({ row }) => [rowKey(row), row]));
  const lines: string[] = [];
  const starts = kept.map((m) => m + advance);
  for (const row of rows.values()) {
    times(tile.halos, (c) => {
      for (const m of kept) {
        const side: Side1D = m < 0 ? "before" : "inside";
        lines.push(
          `var ${windowName(row, c, m)} = ${
            haloLoad(pair, tile, halos, row, c, side, `(${m})`, width === 1 && m > 0)
          };`,
        );
      }
    });
  }
  lines.push(`for (var x = 0; x < p.stillW; x = x + ${tile.size[2] / width}) {`);
  const stride = pair.stride[2];
  lines.push(`let column = x${stride === 1 ? "" : ` * ${stride}`};`);
  lines.push(...stillLoads(pair, tile));
  const loaded = new Set<string>();
  for (const [at, product] of products.entries()) {
    const { tap, row, vector, part, cell } = product;
    const first = at === 0 || products[at - 1].tap !== tap;
    if (first) {
      for (const { row } of products.filter((p) => p.tap === tap)) {
        if (loaded.has(rowKey(row))) continue;
        loaded.add(rowKey(row));
        times(tile.halos, (c) => {
          for (const m of used.filter((m) => !kept.includes(m))) {
            const value = haloLoad(
              pair,
              tile,
              halos,
              row,
              c,
              "inside",
              `(column + ${m})`,
              m > 0 && canEnd(pair, tile, m),
            );
            lines.push(`let ${windowName(row, c, m)} = ${value};`);
          }
        });
      }
    }
    times(tile.quads, (q) =>
      times(tile.halos, (c) => {
        const sum = sumName(tap, q, c);
        const value = windowName(row, c, vector) + (partOf(tile, part));
        lines.push(`${sum} = fma(g${cell.join("")}_${q}, vec4f(${value}), ${sum});`);
      }));
  }
  for (const row of rows.values()) {
    times(
      tile.halos,
      (c) =>
        kept.forEach((m, i) => lines.push(`${windowName(row, c, m)} = ${windowName(row, c, starts[i])};`)),
    );
  }
  lines.push(`}`);
  return lines;
}

/** Whether vector m of a tile may lie behind the row. */
function canEnd(pair: Pair, tile: WeightTile, m: number): boolean {
  return m >= tile.columns.advance || overhangs(pair, tile);
}

/** Whether the last tile of a row may reach over its end. */
function overhangs({ still }: Pair, tile: WeightTile): boolean {
  return still.placement.blocks === null && tile.width === 1 && tile.size[2] > 1;
}

/** WGSL of the zero of a load. */
function zeroOf({ width }: WeightTile): string {
  return width === 1 ? "0.0" : `vec${width}f()`;
}

/** WGSL that takes one number of a load. */
function partOf({ width }: WeightTile, part: number): string {
  return width === 1 ? "" : `.${"xyzw"[part]}`;
}

function windowName(row: RowOffset, halo: number, vector: number): string {
  return `w${rowKey(row)}${key(vector)}_${halo}`;
}

/** WGSL of a halo vector, 0 where it is not stored. @param ends whether it may lie behind the row */
function haloLoad(
  pair: Pair,
  tile: WeightTile,
  halos: HaloRows,
  row: RowOffset,
  c: number,
  side: Side1D,
  column: string,
  ends: boolean,
): string {
  const zero = zeroOf(tile);
  const from = bound(pair.halo, "haloData", tile);
  const index = halos.index(row, side, column);
  const stored = halos.stored(row, side, column);
  if (!ends) return `select(${zero}, ${load(from, `u32(halo${c} + ${index})`)}, ${stored})`;
  const past = `${column} >= p.haloLength`;
  const either = (inside: string, behind: string) =>
    inside === behind ? inside : `select(${inside}, ${behind}, ${past})`;
  return `select(${zero}, ${
    load(from, `u32(halo${c} + ${either(index, halos.index(row, "behind", column))})`)
  }, ${either(stored, halos.stored(row, "behind", column))})`;
}

/** Loads of the still operand, as four channels a voxel. */
function stillLoads(pair: Pair, tile: WeightTile): string[] {
  const { size, width, quads } = tile;
  const from = bound(pair.still, "stillData", tile);
  const dense = pair.still.placement.blocks === null;
  const lines: string[] = [];
  times(size[0], (z) =>
    times(size[1], (y) =>
      times(quads, (q) =>
        times(size[2] / width, (v) => {
          const zero = zeroOf(tile);
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
            const part = partOf(tile, t);
            lines.push(`let g${z}${y}${v * width + t}_${q} = vec4f(${
              times(4, (j) => `d${at}_${j}${part}`).join(", ")
            });`);
          });
        }))));
  return lines;
}

function storeLines(pair: Pair, tile: WeightTile, taps: number): string[] {
  const lines: string[] = [];
  times(tile.quads, (q) =>
    times(4, (j) =>
      times(tile.halos, (c) => {
        lines.push(`if ((s + ${4 * q + j}u < p.still) & (h + ${c}u < p.halo)) {`);
        lines.push(
          `let at = chunk * p.total + (p.first + (s + ${
            4 * q + j
          }u) * p.stillStep + (h + ${c}u) * p.haloStep) * ${taps}u;`,
        );
        times(taps, (k) =>
          lines.push(
            `partials[at + ${pair.mirrored ? taps - 1 - k : k}u] = ${sumName(k, q, c)}.${"xyzw"[j]};`,
          ));
        lines.push(`}`);
      })));
  return lines;
}
