/** Chooses how many outputs a thread of a gathered convolution computes, by rule from shape and device. */
import type { DeviceFacts, Dims3, Tile } from "../../spec.ts";
import { type ConvGeometry, dims, volumeOf } from "./geometry.ts";
import { fitsBlocks, type Placement } from "./placement.ts";

export type { Tile };

/** What a choice depends on. */
export interface TileQuery {
  readonly device: DeviceFacts;
  readonly direction: "forward" | "transposed";
  readonly geometry: ConvGeometry;
  readonly n: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly sources: readonly Placement[];
  readonly output: Placement;
}

type PlacedQuery = Pick<TileQuery, "direction" | "geometry" | "output">;

/**
 * Divisors of a point's coordinate that only the running kernel can check, 1 for none. A transposed gather knows which taps
 * meet an output voxel from its place in the tile, unless blocks of the output are smaller than the stride.
 */
export function lateDivisors({ direction, geometry: { stride }, output: { blocks } }: PlacedQuery): Dims3 {
  return dims((a) =>
    direction === "transposed" && blocks && blocks.edge[a] % stride[a] !== 0 ? stride[a] : 1
  );
}

/** Input voxels from tile to tile along each axis; before division where it is late. */
export function tileStep(query: PlacedQuery, tile: Tile): Dims3 {
  const { stride } = query.geometry;
  const late = lateDivisors(query);
  return dims((a) =>
    query.direction === "forward" ? tile.size[a] * stride[a] : tile.size[a] * late[a] / stride[a]
  );
}

/** Whether the depth of the kernel is a loop; otherwise it is unrolled like height and width. */
export function loopsDepth({ direction, geometry: { kernel, stride } }: TileQuery, tile: Tile): boolean {
  return kernel[0] > 1 && tile.size[0] === 1 && (direction === "forward" || stride[0] === 1);
}

/** Whether rows of a tile are whole groups of four numbers in memory, so that one load fetches four of its points. */
export function readsFours(query: PlacedQuery, source: Placement, tile: Tile): boolean {
  const row = source.blocks?.edge[2] ?? source.size[2];
  return query.geometry.stride[2] === 1 && tile.size[2] % 4 === 0 && row % 4 === 0;
}

/** Number of tiles of a sample. */
export function tileCount(output: Placement, tile: Tile): number {
  const { blocks, size } = output;
  return blocks
    ? Math.ceil(blocks.kept / tile.blocks) * volumeOf(dims((a) => blocks.edge[a] / tile.size[a]))
    : volumeOf(dims((a) => Math.ceil(size[a] / tile.size[a])));
}

/**
 * Cycles of an operation on eight lanes on Mesa's llvmpipe, fitted to times of kernels: a load or store is a loop over the
 * lanes, and waits for memory. `four` is a load of four numbers, `weights` one that stays in the first-level cache; `turn`
 * is what a thread does to find the points of a plane in blocks, `thread` what it does once.
 */
const CYCLES = {
  load: 55,
  four: 150,
  weights: 75,
  store: 60,
  storeFour: 175,
  multiplyAdd: 0.6,
  turn: 500,
  thread: 2500,
} as const;
/**
 * Milliseconds that the same driver takes to compile an operation; `text` for what every text has. Multiply-adds of four
 * numbers take longer the more there are: `multiplyAdds` of them take twice as long each as one.
 */
const COMPILE_MS = {
  load: 1.7,
  four: 3.5,
  store: 3,
  storeFour: 6,
  multiplyAdd: 0.6,
  multiplyAdds: 1500,
  turn: 20,
  text: 50,
} as const;
/** Cycles of two cores that a millisecond of compiling is worth in each of as many runs as a short training makes. */
const COMPILED_MS = 5.4e6 / 400;
/**
 * Tiles for any convolution of stride 1 and a kernel above 1x1x1, from many voxels and few channels to few voxels and many channels. A network's
 * convolutions share their texts, so that compiling one counts for a part only; any other tile has to pay for itself.
 */
const COMMON_TILES: readonly Tile[] = [
  { size: [1, 8, 8], quads: 1, blocks: 1 },
  { size: [1, 4, 4], quads: 2, blocks: 1 },
  { size: [1, 2, 2], quads: 4, blocks: 1 },
  { size: [1, 1, 1], quads: 4, blocks: 4 },
];
/** Convolutions that share a text of a common tile. */
const SHARING = 4;
/** The same for the 2.2 ms that count as one unit in the rule for weight gradients. */
export const COMPILE = 2.2 * COMPILED_MS;
/** Accumulators of a thread: a software device keeps them in its first-level cache, a GPU in registers. */
const ACCUMULATORS = { software: 384, gpu: 64 } as const;
/** Most multiply-adds of four numbers in the text of a kernel: compiling takes time. */
const UNROLLED = 900;
const SOFTWARE_TILES: readonly Dims3[] = [
  [1, 8, 8],
  [1, 6, 8],
  [1, 4, 8],
  [1, 4, 4],
  [1, 6, 6],
  [1, 5, 5],
  [1, 2, 4],
  [2, 4, 8],
  [2, 4, 4],
  [2, 2, 4],
  [2, 2, 2],
  [1, 2, 2],
  [1, 1, 1],
];
const GPU_TILES: readonly Tile[] = [
  { size: [1, 2, 4], quads: 2, blocks: 1 },
  { size: [2, 2, 4], quads: 1, blocks: 1 },
  { size: [2, 2, 2], quads: 2, blocks: 1 },
  { size: [1, 2, 4], quads: 1, blocks: 1 },
  { size: [1, 1, 4], quads: 1, blocks: 1 },
  { size: [1, 2, 2], quads: 2, blocks: 1 },
  { size: [1, 1, 2], quads: 1, blocks: 1 },
  { size: [1, 1, 1], quads: 2, blocks: 8 },
  { size: [1, 1, 1], quads: 2, blocks: 2 },
  { size: [1, 1, 1], quads: 4, blocks: 1 },
  { size: [1, 1, 1], quads: 1, blocks: 1 },
];

/**
 * Tiles that fit layouts and device, each once. The first is the rule's choice, the cheapest by estimate; on a software device
 * the others follow in order of their estimates, without those whose text would be too long.
 */
export function candidateTiles(query: TileQuery): readonly Tile[] {
  const { device, outChannels } = query;
  const quads = Math.ceil(outChannels / 4);
  const late = lateDivisors(query);
  const least = dims((a) => query.direction === "transposed" ? query.geometry.stride[a] / late[a] : 1);
  const candidates = device.software
    ? SOFTWARE_TILES.flatMap((size) =>
      [1, 2, 4, 8].flatMap((quads) => [1, 2, 4, 8].map((blocks) => atLeast({ size, quads, blocks }, least)))
    )
    : GPU_TILES.map((tile) => atLeast(tile, least));
  const limit = ACCUMULATORS[device.software ? "software" : "gpu"];
  const distinct = new Map(candidates.map((tile) => [`${tile.size} ${tile.quads} ${tile.blocks}`, tile]));
  const fitting = [...distinct.values()].filter((tile) =>
    outputsOf(tile) * 4 * tile.quads <= limit && (tile.quads === 1 || tile.quads <= quads) &&
    fits(query, tile)
  );
  if (!device.software) {
    const choice = fitting.find((tile) => enoughThreads(query, tile)) ?? fitting[fitting.length - 1];
    return [choice, ...fitting.filter((tile) => tile !== choice)];
  }
  const costed = fitting.map((tile) => ({ tile, cost: softwareCost(query, tile) }));
  const short = costed.filter(({ cost }) => cost < Infinity).sort((a, b) => a.cost - b.cost);
  return short.length > 0 ? short.map(({ tile }) => tile) : fitting.slice(0, 1);
}

/** Output voxels of a thread. */
function outputsOf(tile: Tile): number {
  return volumeOf(tile.size) * tile.blocks;
}

function atLeast(tile: Tile, least: Dims3): Tile {
  return { ...tile, size: dims((a) => Math.max(tile.size[a], least[a])) };
}

function fits(query: TileQuery, tile: Tile): boolean {
  const { direction, geometry: { stride }, output, sources } = query;
  const late = lateDivisors(query);
  if (direction === "transposed" && tile.size.some((extent, a) => extent * late[a] % stride[a] !== 0)) {
    return false;
  }
  if (output.blocks && output.blocks.edge.some((e, a) => e % tile.size[a] !== 0)) return false;
  if (tile.blocks > 1 && (!output.blocks || output.blocks.edge.some((e, a) => e !== tile.size[a]))) {
    return false;
  }
  if (tile.blocks >= 2 * (output.blocks?.kept ?? 1) && tile.blocks > 1) return false;
  if (tile.size.some((extent, a) => extent >= 2 * Math.max(output.size[a], stride[a]))) return false;
  const step = tileStep(query, tile);
  return sources.every((source) => fitsBlocks(source, step));
}

function enoughThreads(query: TileQuery, tile: Tile): boolean {
  const threads = query.n * tileCount(query.output, tile) * Math.ceil(query.outChannels / (4 * tile.quads));
  const waste = tileCount(query.output, tile) * outputsOf(tile) /
    (query.output.blocks
      ? query.output.blocks.kept * volumeOf(query.output.blocks.edge)
      : volumeOf(query.output.size));
  return threads >= 4096 && waste <= 1.5;
}

/** Estimated cycles on a software device with two cores and eight lanes; infinite when the text would be too long. */
function softwareCost(query: TileQuery, tile: Tile): number {
  const { direction, geometry: { kernel, stride } } = query;
  const turns = loopsDepth(query, tile) ? kernel[0] : 1;
  const spread = dims((a) =>
    direction === "forward"
      ? (tile.size[a] - 1) * stride[a] + kernel[a]
      : tile.size[a] / stride[a] + Math.ceil(kernel[a] / stride[a]) - 1
  );
  const planes = (turns > 1 ? 1 : spread[0]) * tile.blocks;
  const rows = planes * spread[1];
  const fours = readsFours(query, query.sources[0], tile) ? rows * tile.size[2] / 4 : 0;
  const singles = rows * spread[2] - 4 * fours;
  const weights = volumeOf(kernel) * tile.quads / turns;
  const sharing = direction === "forward" ? 1 : volumeOf(stride);
  const multiplyAdds = outputsOf(tile) * weights / sharing; // of four numbers
  if (multiplyAdds > UNROLLED) return Infinity;
  const four = tile.size[2] % 4 === 0;
  const stores = outputsOf(tile) / (four ? 4 : 1); // in text, each in a loop over the channels
  const store = four ? CYCLES.storeFour : CYCLES.store;
  const channel = singles * CYCLES.load + fours * CYCLES.four + weights * CYCLES.weights +
    4 * multiplyAdds * CYCLES.multiplyAdd;
  const thread = turns * (query.inChannels * channel + planes * CYCLES.turn) + CYCLES.thread +
    4 * tile.quads * stores * store;
  const threads = query.n * tileCount(query.output, tile) * Math.ceil(query.outChannels / (4 * tile.quads));
  const compileMs = singles * COMPILE_MS.load + (fours + weights) * COMPILE_MS.four +
    multiplyAdds * COMPILE_MS.multiplyAdd * (1 + multiplyAdds / COMPILE_MS.multiplyAdds) +
    planes * COMPILE_MS.turn + COMPILE_MS.text +
    stores * COMPILE_MS[four ? "storeFour" : "store"];
  const users = isShared(query, tile) ? SHARING : 1;
  return 2 * Math.ceil(Math.ceil(threads / 8) / 2) * thread + COMPILED_MS * compileMs / users;
}

/** Whether other convolutions are likely to have the same text: it says how the tile lies among blocks smaller than itself. */
function isShared({ geometry: { kernel, stride }, sources }: TileQuery, tile: Tile): boolean {
  return stride.every((s) => s === 1) && kernel.some((k) => k > 1) &&
    sources.every(({ blocks }) => !blocks || blocks.edge.every((e, a) => e >= tile.size[a])) &&
    COMMON_TILES.some(({ size, quads, blocks }) =>
      size.every((extent, a) => extent === tile.size[a]) && quads === tile.quads && blocks === tile.blocks
    );
}
