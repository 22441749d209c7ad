/** Chooses what a thread of a weight gradient computes at a time, by rule from shape and device. */
import type { DeviceFacts, Dims3 } from "../../spec.ts";
import { dims, volumeOf } from "./geometry.ts";
import type { Side1D } from "./halo_rows.ts";
import { COMPILE } from "./tile.ts";
import { extentOf, type Pair } from "./weight_gradient_pair.ts";

/** Vectors of a halo row that a tile needs. */
export interface Columns {
  /** Offsets from the tile's first vector. */
  readonly used: readonly number[];
  /** Vectors from tile to tile along a row. */
  readonly advance: number;
  /** Those that the tile before has loaded. */
  readonly kept: readonly number[];
  /** Where vectors can lie. */
  readonly sides: readonly Side1D[];
}

/** Numbers of a load. */
export type Width = 1 | 2 | 4;

/** Voxels of the still operand and channels of both that a thread multiplies in one step, and how wide its loads are. */
export interface WeightTile {
  readonly size: Dims3;
  /** Groups of four channels of the still operand. */
  readonly quads: number;
  /** Channels of the halo operand. */
  readonly halos: number;
  /** Numbers of a load, of the halo operand and of the still one. */
  readonly width: Width;
  readonly stillWidth: Width;
  /** Threads that share a row, tile by tile: where nothing slides, so that neighbours read neighbouring voxels. */
  readonly lanes: number;
  /** Whether a tile is as long as a row, so that nothing slides. */
  readonly whole: boolean;
  /** Whether layers of other shapes have the same tile for the sake of a common text. */
  readonly common: boolean;
  readonly columns: Columns;
}

/** Rows of the still operand's tiles, along depth and height, in a volume or block. */
export function tileRows(pair: Pair, tile: WeightTile): readonly [number, number] {
  const extent = extentOf(pair.still.placement);
  return [Math.ceil(extent[0] / tile.size[0]), Math.ceil(extent[1] / tile.size[1])];
}

/**
 * Costs of an 8-lane operation on Mesa's llvmpipe in cycles, measured: loads are loops over the lanes, and every turn of a
 * loop moves all numbers that it changes.
 */
const SOFTWARE = {
  load: { 1: 25, 2: 33, 4: 50 },
  multiplyAdd: 0.9,
  carry: 3.6,
  row: 600,
  lookUp: 40,
  store: 70,
} as const;
/**
 * The same for a GPU, in multiply-adds: threads of a subgroup read halo channels that lie far apart, so that a load takes a
 * cache access for each.
 */
const GPU = {
  load: { 1: 48, 2: 56, 4: 64 },
  multiplyAdd: 1,
  carry: 0,
  row: 100,
  lookUp: 16,
  store: 32,
} as const;
/**
 * Sums of a thread: a software device keeps them in its first-level cache, a GPU in registers. Tiles of one voxel may have
 * more, for they load most.
 */
const SUMS = { software: 256, softwareVoxel: 432, gpu: 128 } as const;
/** Numbers that a thread of a GPU keeps in registers. */
const REGISTERS = 200;
/** Most multiply-adds of four numbers in the text of a kernel: compiling takes time. */
const UNROLLED = 900;
/** Most loads of a step where few taps share them: beyond, the code outgrows the cache and runs at half the rate. */
const LOADS = 32;

/** Threads that share a row: eight loads of four numbers are a cache line of 128 bytes. */
const LANES = 8;

const SIZES: readonly Dims3[] = [
  [2, 2, 4],
  [1, 2, 4],
  [1, 1, 4],
  [1, 2, 5],
  [1, 1, 5],
  [2, 2, 2],
  [1, 1, 2],
  [1, 1, 1],
];

/** The cheapest tile that fits layouts and device. */
export function chooseWeightTile(pair: Pair, n: number, device: DeviceFacts): WeightTile {
  const candidates = SIZES.flatMap((size) =>
    ([1, 2, 4] as const).filter((width) => fits(pair, size, width)).flatMap((width) =>
      [1, 2, 4].flatMap((quads) => [1, 2, 4, 8].map((halos) => weightTile(pair, size, quads, halos, width)))
    )
  );
  const taps = volumeOf(pair.kernel);
  const limit = (size: Dims3) =>
    !device.software ? SUMS.gpu : volumeOf(size) === 1 ? SUMS.softwareVoxel : SUMS.software;
  const fitting = candidates.filter((tile) =>
    (tile.quads === 1 || 4 * tile.quads < pair.still.channels + 4) && tile.halos <= pair.halo.channels &&
    (tile.quads * tile.halos === 1 || 4 * tile.quads * tile.halos * taps <= limit(tile.size)) &&
    (device.software || tile.quads * tile.halos === 1 || registers(pair, tile) <= REGISTERS) &&
    unrolledOf(pair, tile) <= Math.max(UNROLLED, taps) &&
    (taps > 8 || tile.quads * tile.halos === 1 || loadsOf(pair, tile).step <= LOADS)
  );
  if (!device.software) return cheapest(fitting, (tile) => costOf(pair, tile, GPU));
  const common = commonTile(pair);
  return cheapest(
    [...(common ? [common] : []), ...fitting],
    (tile) => n * costOf(pair, tile, SOFTWARE) / 8 + (tile.common ? 0 : COMPILE * textOf(pair, tile)),
  );
}

function cheapest(tiles: readonly WeightTile[], cost: (tile: WeightTile) => number): WeightTile {
  const costs = tiles.map(cost);
  return tiles[costs.indexOf(Math.min(...costs))];
}

/**
 * A tile that suits most shapes of a kernel and stride, so that many layers share one text; null where it does not fit. The
 * rule counts no time to compile it, which software devices take 0.1 to 0.5 s for.
 */
function commonTile(pair: Pair): WeightTile | null {
  const taps = volumeOf(pair.kernel);
  if (taps === 1) {
    return pair.still.placement.blocks && pair.halo.channels >= 4
      ? { ...weightTile(pair, [1, 1, 1], 1, 4, 1, false), lanes: 1, common: true }
      : null;
  }
  const size: Dims3 = taps <= 8 || volumeOf(pair.stride) > 1
    ? [1, 1, 2]
    : pair.bordered
    ? [1, 2, 2]
    : [2, 2, 2];
  const fitting = extentOf(pair.still.placement).every((extent, a) => extent % size[a] === 0) &&
    extentOf(pair.halo.placement)[2] % 2 === 0 && pair.dilation[2] === 1;
  return fitting ? { ...weightTile(pair, size, taps > 8 ? 1 : 2, 1, 2, false), common: true } : null;
}

function fits(pair: Pair, size: Dims3, width: Width): boolean {
  const still = extentOf(pair.still.placement);
  const halo = extentOf(pair.halo.placement);
  if (pair.still.placement.blocks && still.some((extent, a) => extent % size[a] !== 0)) return false;
  if (size.some((extent, a) => extent > still[a] && extent > 1)) return false;
  if (pair.bordered && still[2] === size[2]) return width === 4;
  return width === 1 ||
    size[2] % width === 0 && still[2] % size[2] === 0 && halo[2] % width === 0 &&
      pair.dilation[2] === 1;
}

/** A tile with the columns that follow from it. @param whole as in {@link WeightTile}, by default where a block's row allows */
export function weightTile(
  pair: Pair,
  size: Dims3,
  quads: number,
  halos: number,
  width: Width,
  whole = pair.still.placement.blocks !== null && size[2] === extentOf(pair.still.placement)[2],
): WeightTile {
  const { kernel, stride, padding } = pair;
  const vectors = new Set<number>();
  for (let t = 0; t < size[2]; t++) {
    for (let k = 0; k < kernel[2]; k++) {
      vectors.add(Math.floor((t * stride[2] + k - padding[2]) / width));
    }
  }
  const row = extentOf(pair.still.placement)[2];
  const pointwise = volumeOf(kernel) === 1 && volumeOf(stride) === 1;
  const advance = size[2] * stride[2] / width;
  const used = [...vectors].sort((a, b) => a - b);
  const kept = whole ? [] : used.filter((m) => vectors.has(m + advance));
  return {
    size,
    quads,
    halos,
    width,
    stillWidth: pair.bordered && whole ? ([4, 2, 1] as const).find((w) => size[2] % w === 0)! : width,
    lanes: pointwise && row >= LANES * size[2] ? LANES : 1,
    whole,
    common: false,
    columns: {
      used,
      advance,
      kept,
      sides: [
        "inside",
        ...(used[0] < 0 ? ["before" as const] : []),
        ...(used[used.length - 1] >= advance ? ["behind" as const] : []),
      ],
    },
  };
}

/** Halo rows of a tile along an axis. */
function spread({ kernel, stride }: Pair, size: Dims3, axis: 0 | 1): number {
  return new Set(
    Array.from(
      { length: size[axis] * kernel[axis] },
      (_, i) => Math.floor(i / kernel[axis]) * stride[axis] + i % kernel[axis],
    ),
  ).size;
}

function registers(pair: Pair, tile: WeightTile): number {
  const rows = spread(pair, tile.size, 0) * spread(pair, tile.size, 1);
  const window = tile.halos * rows * tile.columns.kept.length * tile.width;
  return 4 * tile.quads * tile.halos * volumeOf(pair.kernel) + 4 * tile.quads * volumeOf(tile.size) + window +
    2 * rows + 4 * tile.quads + tile.halos;
}

/** Halo rows of a tile, and its loads: of the still operand, of the halo at the start of a row and in each step. */
function loadsOf(pair: Pair, { quads, halos, size, columns, stillWidth }: WeightTile) {
  const rows = spread(pair, size, 0) * spread(pair, size, 1);
  const still = 4 * quads * volumeOf(size) / stillWidth;
  const kept = halos * rows * columns.kept.length;
  const fresh = halos * rows * (columns.used.length - columns.kept.length);
  return { rows, still, kept, fresh, step: still + fresh };
}

/** Multiply-adds of four numbers in the text of a kernel. */
function unrolledOf(pair: Pair, { quads, halos, size }: WeightTile): number {
  return quads * halos * volumeOf(pair.kernel) * volumeOf(size);
}

/** Time to compile a kernel on a software device, in units of {@link COMPILE}: measured on llvmpipe. */
function textOf(pair: Pair, tile: WeightTile): number {
  const { step, kept } = loadsOf(pair, tile);
  const lookUps = pair.halo.placement.blocks && !pair.bordered && volumeOf(pair.kernel) > 1 ? 27 : 0;
  return 14 + 0.3 * unrolledOf(pair, tile) + 1.6 * (step + kept) + 0.8 * lookUps;
}

/** Estimated cost of the whole pair for one sample: cycles of all threads, eight of which a software device runs at once. */
function costOf(pair: Pair, tile: WeightTile, cost: typeof SOFTWARE | typeof GPU): number {
  const { quads, halos, width, size } = tile;
  const load = cost.load[width];
  const sums = 4 * quads * halos * volumeOf(pair.kernel);
  const { rows, still, kept, fresh } = loadsOf(pair, tile);
  const step = still * cost.load[tile.stillWidth] + fresh * load +
    sums * volumeOf(size) * cost.multiplyAdd;
  const lookUps = pair.halo.placement.blocks && !pair.bordered && rows > 1 ? 27 * cost.lookUp : 0;
  const extent = extentOf(pair.still.placement);
  const turn = tile.whole ? 0 : (sums + kept * width) * cost.carry;
  const row = cost.row + lookUps + sums * cost.carry + kept * load +
    Math.ceil(extent[2] / size[2]) * (step + turn);
  const blocks = pair.still.placement.blocks?.kept ?? 1;
  const threads = Math.ceil(pair.still.channels / (4 * quads)) * Math.ceil(pair.halo.channels / halos);
  const [d, h] = dims((a) => Math.ceil(extent[a] / size[a]));
  return threads * (blocks * d * h * row + sums * cost.store);
}
