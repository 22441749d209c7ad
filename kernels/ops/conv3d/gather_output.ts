/** The output side of a gathered convolution: which tile a thread has, its accumulators, and where they go. */
import type { DType } from "../../spec.ts";
import { load, output, type Param, storageType, store } from "../../wgsl/module.ts";
import { type ConvGeometry, dims, volumeOf } from "./geometry.ts";
import { asOneBlock, type Placement, storedVoxels } from "./placement.ts";
import type { Tile } from "./tile.ts";

/** Tiles of a block from which on neighbouring threads mostly lie in one block. */
const SKIP_TILES = 4;

/** What the output side needs to know of a gathered convolution. */
export interface OutputDraft {
  readonly device: { readonly software: boolean };
  readonly geometry: ConvGeometry;
  readonly outPlacement: Placement;
  readonly outType: DType;
  readonly outChannels: number;
  readonly sources: readonly { readonly placement: Placement }[];
  /** How the result joins what the output holds: `y = result * scale`, or with `adds` `y += result * scale`. */
  readonly adds: boolean;
  readonly scale: number;
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

/**
 * The output as the kernel goes through it. A dense output that reads kept blocks is taken block by block, so that neighbouring
 * threads skip hidden blocks together. On software devices, which compile slowly, a dense output of whole tiles is one block:
 * it shares the text of outputs in blocks.
 */
export function tiledOutput(draft: OutputDraft, tile: Tile): Placement {
  const { outPlacement, geometry, device } = draft;
  if (outPlacement.blocks) return outPlacement;
  const blocks = geometry.stride.every((s) => s === 1)
    ? draft.sources.find((s) => s.placement.blocks)?.placement.blocks ?? null
    : null;
  const tiles = blocks ? volumeOf(dims((a) => Math.floor(blocks.edge[a] / tile.size[a]))) : 0;
  if (blocks && tiles >= SKIP_TILES && blocks.edge.every((e, a) => e % tile.size[a] === 0)) {
    return { ...outPlacement, blocks: { ...blocks, kept: volumeOf(blocks.grid), table: false } };
  }
  const whole = device.software && outPlacement.size.every((extent, a) => extent % tile.size[a] === 0);
  return whole ? asOneBlock(outPlacement) : outPlacement;
}

/** Numbers of a tile along the axes of the volume, `tz`, `ty`, `tx`, and `at`, the tile's first stored element. */
export function tileLines(placed: Placement, tile: Tile): string[] {
  const [td, th, tw] = tile.size;
  const head = [
    `let t = tid % p.tiles; let rest = tid / p.tiles;`,
    `let ob = (rest % p.outBlocks) * ${tile.quads}u; let n = rest / p.outBlocks;`,
    `if (n >= p.n) { return; }`,
    `let sx = t % p.tilesX; let sy = (t / p.tilesX) % p.tilesY; let sz = (t / (p.tilesX * p.tilesY)) % p.tilesZ;`,
  ];
  if (!placed.blocks) {
    return [
      ...head,
      `let tx = sx; let ty = sy; let tz = sz;`,
      `let oz = tz * ${td}u; let oy = ty * ${th}u; let ox = tx * ${tw}u;`,
      `let at = (oz * p.outH + oy) * p.outW + ox;`,
    ];
  }
  // blocks beyond the sample's number are computed from whatever is there and not stored
  return [
    ...head,
    `let inTable = p.outTable != 0u; let row = n * u32(p.tableLength);`,
    `let count = select(p.outCells, u32(blockTable[row]), inTable);`,
    `let first = t / (p.tilesX * p.tilesY * p.tilesZ) * ${tile.blocks}u;`,
    `if (first >= count) { return; }`,
    ...suffixes(tile).flatMap((m, i) => [
      `let kept${m} = min(first + ${i}u, count - 1u);`,
      `let cell${m} = select(kept${m}, u32(blockTable[row + 1u + u32(p.cells) + kept${m}]), inTable);`,
      `let tx${m} = (cell${m} % p.outGridW) * p.tilesX + sx;`,
      `let ty${m} = ((cell${m} / p.outGridW) % p.outGridH) * p.tilesY + sy;`,
      `let tz${m} = cell${m} / (p.outGridW * p.outGridH) * p.tilesZ + sz;`,
      `let at${m} = ((select(0u, kept${m}, inTable) * p.outD + select(tz${m}, sz, inTable) * ${td}u) * p.outH + ` +
      `select(ty${m}, sy, inTable) * ${th}u) * p.outW + select(tx${m}, sx, inTable) * ${tw}u;`,
    ]),
  ];
}

/** Members of the uniform block that the output side reads. */
export function outputParams(draft: OutputDraft, placed: Placement, tile: Tile): Record<string, Param> {
  const { blocks, size } = placed;
  const extent = blocks?.table ? blocks.edge : size;
  const tiles = dims((a) => Math.ceil((blocks?.edge ?? size)[a] / tile.size[a]));
  const params = {
    outChannels: draft.outChannels,
    outVoxels: storedVoxels(placed),
    tilesX: tiles[2],
    tilesY: tiles[1],
    tilesZ: tiles[0],
    outD: extent[0],
    outH: extent[1],
    outW: extent[2],
    adds: draft.adds ? 1 : 0,
    scale: { f32: draft.scale },
  };
  if (!blocks) return params;
  const [, outGridH, outGridW] = blocks.grid;
  return { ...params, outTable: blocks.table ? 1 : 0, outCells: blocks.kept, outGridH, outGridW };
}

/** Accumulators, starting at the bias, which lies behind the packed weights. */
export function startLines(tile: Tile): string[] {
  const lines: string[] = [];
  for (let q = 0; q < tile.quads; q++) {
    lines.push(`let start${q} = select(vec4f(), weights[p.biasAt + ob + ${q}u], p.biased != 0u);`);
    for (const suffix of suffixes(tile)) {
      for (const cell of cellsOf(tile)) lines.push(`var ${accumulator(suffix, cell, q)} = start${q};`);
    }
  }
  return lines;
}

/** Binding of the output: four numbers of a row at a time where rows of tiles are whole groups of four in memory. */
export function outputBinding(draft: OutputDraft, placed: Placement, tile: Tile): ReturnType<typeof output> {
  return output(0, "y", storageType(draft.outType, storesFours(placed, tile) ? 4 : 1));
}

function storesFours({ blocks }: Placement, tile: Tile): boolean {
  return blocks !== null && tile.size[2] % 4 === 0;
}

/**
 * Writes the accumulators to `y`, or adds them onto what is there. On software devices that is a loop over the output channels:
 * llvmpipe takes longer to compile a store than to choose one of several values.
 */
export function storeLines(draft: OutputDraft, placed: Placement, tile: Tile): string[] {
  const channels = Array.from({ length: 4 * tile.quads }, (_, j) => j);
  const left = `p.outChannels - ob * 4u`;
  if (draft.device.software) {
    return [
      `for (var j = 0u; j < min(${channels.length}u, ${left}); j++) {`,
      ...Array.from(
        { length: Math.log2(channels.length) },
        (_, b) => `let bit${b} = (j & ${1 << b}u) != 0u;`,
      ),
      ...channelLines(draft, placed, tile, (values) => chosen(values)),
      `}`,
    ];
  }
  return channels.flatMap((j) => [
    `if (${left} > ${j}u) {`,
    `let j = ${j}u;`,
    ...channelLines(draft, placed, tile, (values) => values[j]),
    `}`,
  ]);
}

/** Stores output channel `j` of a thread; `pick` chooses its value from those of all channels. */
function channelLines(
  draft: OutputDraft,
  placed: Placement,
  tile: Tile,
  pick: (values: readonly string[]) => string,
): string[] {
  const result = outputBinding(draft, placed, tile);
  const width = storesFours(placed, tile) ? 4 : 1;
  const zero = width === 4 ? "vec4f()" : "0.0";
  const lines = [`let channel = (n * p.outChannels + ob * 4u + j) * p.outVoxels;`];
  suffixes(tile).forEach((suffix, m) => {
    if (m > 0) lines.push(`if (first + ${m}u < count) {`);
    for (const [z, y, x] of cellsOf(tile).filter((cell) => cell[2] % width === 0)) {
      const value = (at: number) =>
        pick(
          Array.from({ length: 4 * tile.quads }, (_, j) =>
            `${accumulator(suffix, [z, y, x + at], j >> 2)}.${"xyzw"[j & 3]}`),
        );
      const to = `channel + at${suffix} + (${z}u * p.outH + ${y}u) * p.outW + ${x}u`;
      lines.push(
        placed.blocks ? `{` : `if ((oz + ${z}u < p.outD) & (oy + ${y}u < p.outH) & (ox + ${x}u < p.outW)) {`,
        `let to = ${width === 4 ? `(${to}) >> 2u` : to};`,
        `let value = ${
          width === 4 ? `vec4f(${[0, 1, 2, 3].map((i) => value(i)).join(", ")})` : value(0)
        } * p.scale;`,
        `var held = ${zero}; if (p.adds != 0u) { held = ${load(result, "to")}; }`,
        store(result, "to", "held + value"),
        `}`,
      );
    }
    if (m > 0) lines.push(`}`);
  });
  return lines;
}

/** WGSL that chooses among values, a power of two of them, by the variables `bit0`, `bit1`, ... */
function chosen(values: readonly string[], bit = 0): string {
  if (values.length === 1) return values[0];
  const pairs = values.filter((_, i) => i % 2 === 0).map((v, i) =>
    `select(${v}, ${values[2 * i + 1]}, bit${bit})`
  );
  return chosen(pairs, bit + 1);
}
