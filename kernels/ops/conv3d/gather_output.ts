/** The output side of a gathered convolution: which tile a thread has, its accumulators, and where they go. */
import type { DType } from "../../spec.ts";
import { output, type Param, store } from "../../wgsl/module.ts";
import { type ConvGeometry, dims, volumeOf } from "./geometry.ts";
import { type BlockPlacement, type Placement, storedVoxels } from "./placement.ts";
import type { Tile } from "./tile.ts";

/** Tiles of a block from which on neighbouring threads mostly lie in one block. */
const SKIP_TILES = 4;

/** What the output side needs to know of a gathered convolution. */
export interface OutputDraft {
  readonly geometry: ConvGeometry;
  readonly outPlacement: Placement;
  readonly outType: DType;
  readonly outChannels: number;
  readonly bias: object | null;
  readonly sources: readonly { readonly placement: Placement }[];
}

/** Names of the tiles of a thread: one, or one for each kept block. */
export function suffixes(tile: Tile): readonly string[] {
  return tile.blocks === 1 ? [""] : Array.from({ length: tile.blocks }, (_, m) => `_${m}`);
}

/** Voxels of a tile. */
export function cellsOf(tile: Tile): readonly (readonly [number, number, number])[] {
  const cells: [number, number, number][] = [];
  for (let z = 0; z < tile.size[0]; z++) {
    for (let y = 0; y < tile.size[1]; y++) for (let x = 0; x < tile.size[2]; x++) cells.push([z, y, x]);
  }
  return cells;
}

/** Name of an accumulator of four output channels. */
export function accumulator(suffix: string, cell: readonly number[], quad: number): string {
  return `a${suffix}_${cell.join("_")}_${quad}`;
}

/** Blocks that tiles of a dense output follow one by one, so that neighbouring threads skip hidden blocks together. */
export function skipOrder(draft: OutputDraft, tile: Tile): BlockPlacement | null {
  if (draft.outPlacement.blocks || draft.geometry.stride.some((s) => s !== 1)) return null;
  const blocks = draft.sources.find((s) => s.placement.blocks)?.placement.blocks ?? null;
  const tiles = blocks && volumeOf(dims((a) => Math.floor(blocks.edge[a] / tile.size[a])));
  return blocks && blocks.edge.every((e, a) => e % tile.size[a] === 0) && tiles! >= SKIP_TILES
    ? blocks
    : null;
}

/** Numbers of a tile along the axes of the volume: `tz`, `ty`, `tx`; in blocks also `at`, the tile's first stored element. */
export function tileLines(draft: OutputDraft, tile: Tile): string[] {
  const head = [
    `let t = tid % p.tiles; let rest = tid / p.tiles;`,
    `let ob = (rest % p.outBlocks) * ${tile.quads}u; let n = rest / p.outBlocks;`,
    `if (n >= p.n) { return; }`,
    `let sx = t % p.tilesX; let sy = (t / p.tilesX) % p.tilesY; let sz = (t / (p.tilesX * p.tilesY)) % p.tilesZ;`,
  ];
  if (draft.outPlacement.blocks) return [...head, ...keptTileLines(tile)];
  if (!skipOrder(draft, tile)) return [...head, `let tx = sx; let ty = sy; let tz = sz;`];
  return [
    ...head,
    `let gridH = u32(p.gridH); let gridW = u32(p.gridW);`,
    `let cell = t / (p.tilesX * p.tilesY * p.tilesZ);`,
    ...cellLines(""),
  ];
}

/** Kept blocks of a thread; those beyond the sample's number are computed from whatever is there and not stored. */
function keptTileLines(tile: Tile): string[] {
  const [td, th, tw] = tile.size;
  return [
    `let gridH = u32(p.gridH); let gridW = u32(p.gridW); let row = n * u32(p.tableLength);`,
    `let count = u32(blockTable[row]); let first = t / (p.tilesX * p.tilesY * p.tilesZ) * ${tile.blocks}u;`,
    `if (first >= count) { return; }`,
    ...suffixes(tile).flatMap((suffix, m) => [
      `let kept${suffix} = min(first + ${m}u, count - 1u);`,
      `let cell${suffix} = u32(blockTable[row + 1u + u32(p.cells) + kept${suffix}]);`,
      `let at${suffix} = ((kept${suffix} * p.outD + sz * ${td}u) * p.outH + sy * ${th}u) * p.outW + sx * ${tw}u;`,
      ...cellLines(suffix),
    ]),
  ];
}

function cellLines(suffix: string): string[] {
  const cell = `cell${suffix}`;
  return [
    `let tx${suffix} = (${cell} % gridW) * p.tilesX + sx; let ty${suffix} = ((${cell} / gridW) % gridH) * p.tilesY + sy;`,
    `let tz${suffix} = ${cell} / (gridW * gridH) * p.tilesZ + sz;`,
  ];
}

/** Members of the uniform block that the output side reads. */
export function outputParams(draft: OutputDraft, tile: Tile): Record<string, Param> {
  const { blocks, size } = draft.outPlacement;
  const extent = blocks?.edge ?? size;
  const tiled = blocks?.edge ?? skipOrder(draft, tile)?.edge ?? size;
  const tiles = dims((a) => Math.ceil(tiled[a] / tile.size[a]));
  return {
    outChannels: draft.outChannels,
    outVoxels: storedVoxels(draft.outPlacement),
    tilesX: tiles[2],
    tilesY: tiles[1],
    tilesZ: tiles[0],
    outD: extent[0],
    outH: extent[1],
    outW: extent[2],
  };
}

/** Accumulators, starting at the bias. */
export function startLines(draft: OutputDraft, tile: Tile): string[] {
  const lines: string[] = [];
  for (let q = 0; q < tile.quads; q++) {
    const bias = draft.bias
      ? `vec4f(${
        [0, 1, 2, 3].map((j) => `bias[min((ob + ${q}u) * 4u + ${j}u, p.outChannels - 1u)]`).join(", ")
      })`
      : "vec4f()";
    lines.push(`let start${q} = ${bias};`);
    for (const suffix of suffixes(tile)) {
      for (const cell of cellsOf(tile)) lines.push(`var ${accumulator(suffix, cell, q)} = start${q};`);
    }
  }
  return lines;
}

/** Writes the accumulators to `y`. */
export function storeLines(draft: OutputDraft, tile: Tile): string[] {
  const inBlocks = draft.outPlacement.blocks !== null;
  const lines = inBlocks ? [] : [
    `let oz = tz * ${tile.size[0]}u; let oy = ty * ${tile.size[1]}u; let ox = tx * ${tile.size[2]}u;`,
    `let at = (oz * p.outH + oy) * p.outW + ox;`,
  ];
  const result = output(0, "y", draft.outType);
  suffixes(tile).forEach((suffix, m) => {
    if (m > 0) lines.push(`if (first + ${m}u < count) {`);
    for (let q = 0; q < tile.quads; q++) {
      for (let j = 0; j < 4; j++) {
        lines.push(
          `{ let o = (ob + ${q}u) * 4u + ${j}u; if (o < p.outChannels) { let to = (n * p.outChannels + o) * p.outVoxels + at${suffix};`,
        );
        for (const [z, y, x] of cellsOf(tile)) {
          const value = `${accumulator(suffix, [z, y, x], q)}.${"xyzw"[j]}`;
          const stored = store(result, `to + (${z}u * p.outH + ${y}u) * p.outW + ${x}u`, value);
          lines.push(
            inBlocks
              ? stored
              : `if (oz + ${z}u < p.outD && oy + ${y}u < p.outH && ox + ${x}u < p.outW) { ${stored} }`,
          );
        }
        lines.push(`} }`);
      }
    }
    if (m > 0) lines.push(`}`);
  });
  return lines;
}
