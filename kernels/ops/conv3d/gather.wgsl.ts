// Convolution as a gather, tiled in registers. Serves conv3d forward, conv3d input gradient, and both for transposed convs.
//   forward     y[n,o,q] = b[o] + sum_{c,k} w[c,k,o] * x[n,c, s*q + k - pad]
//   transposed  y[n,o,q] = b[o] + sum_{c,k} w[c,k,o] * x[n,c, (q + pad - k) / s]   where divisible
// Layout   x, y: dense [N, C, D, H, W] or blocks [N, C, K, e, e, e], any mixture; hidden voxels of x count as 0
//          w: packed for the tile with the bias behind it, [O / 4 quads, kd, C, kh kw, 4 quads] (pack.wgsl.ts); sources are
//          read one after another
// Work     1 thread = 1 tile of output voxels x 4*quads output channels (tile.ts); every input value is loaded once a thread,
//          channel and plane; a source in the block layout is skipped where nothing is kept
// Limits   8 storage bindings at most (three sources, weights, table, output; sources that can be read four numbers at
//          a time are bound a second time as long as there is room); no workgroup memory
// Texts    differ by tile, kernel, stride, direction, types, and by which sides are in blocks. Software devices, which take
//          long to compile, read and write dense volumes of whole tiles as one block, and so share texts among layouts
// Siblings weight_gradient.wgsl.ts   Reference reference.ts
import type { DeviceFacts, Dims3, DType, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, storageType, WORKGROUP } from "../../wgsl/module.ts";
import {
  outputBinding,
  outputParams,
  startLines,
  storeLines,
  suffixes,
  tiledOutput,
  tileLines,
} from "./gather_output.ts";
import { multiplyLines, type Tap, type Use } from "./gather_products.ts";
import type { ConvGeometry } from "./geometry.ts";
import {
  asOneBlock,
  key,
  type Placement,
  placementParams,
  type Plane,
  PointReader,
  tableParams,
} from "./placement.ts";
import {
  lateDivisors,
  loopsDepth,
  readsFours,
  type Tile,
  tileCount,
  type TileQuery,
  tileStep,
} from "./tile.ts";

type Binding = KernelDraft["bindings"][number];

/** One input of a gathered convolution. */
export interface GatherSource {
  readonly binding: Binding;
  readonly channels: number;
  readonly placement: Placement;
  readonly dtype: DType;
}

/** One gathered convolution. */
export interface GatherDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly direction: "forward" | "transposed";
  readonly geometry: ConvGeometry;
  readonly n: number;
  readonly sources: readonly GatherSource[];
  readonly outChannels: number;
  readonly outPlacement: Placement;
  readonly outType: DType;
  readonly weights: Binding;
  /** Input channels of the packed weights, and the first that the sources stand for. */
  readonly packedChannels: number;
  readonly first: number;
  /** Where the bias is, counted in groups of four numbers; null without one. */
  readonly biasAt: number | null;
  /** The block table, `array<i32>`; needed when a source or the output is in the block layout. */
  readonly table: Binding | null;
  /** Whether to add the result times `scale` onto what the output holds, instead of writing it. */
  readonly adds: boolean;
  readonly scale: number;
}

/** What the choice of a tile depends on, among others. */
export type GatherShape = Omit<
  GatherDraft,
  "weights" | "packedChannels" | "first" | "biasAt" | "adds" | "scale"
>;

/** Channels of a source from which on skipping hidden blocks pays for asking block by block. */
const APART_CHANNELS = 16;

/** What the choice of a tile depends on. */
export function tileQuery(draft: GatherShape): TileQuery {
  return {
    ...draft,
    inChannels: draft.sources.reduce((sum, s) => sum + s.channels, 0),
    sources: draft.sources.map((s) => s.placement),
    output: draft.outPlacement,
  };
}

/**
 * Offset along one axis from the tile's first input to the input of output `a` and tap `k`; null where there is none. Where
 * division is late it is the offset before division.
 */
function tapOffset(draft: GatherDraft, late: Dims3, axis: 0 | 1 | 2, a: number, k: number): number | null {
  const { stride, padding } = draft.geometry;
  if (draft.direction === "forward") return stride[axis] * a + k - padding[axis];
  if (late[axis] > 1) return a + padding[axis] - k;
  const numerator = a + padding[axis] - k;
  return ((numerator % stride[axis]) + stride[axis]) % stride[axis] === 0 ? numerator / stride[axis] : null;
}

/** Planes and taps of a tile. With a loop over depth they are those of one turn, `kz`. */
function tapsOf(draft: GatherDraft, tile: Tile, loop: boolean): { planes: Plane[]; taps: Tap[] } {
  const [kd, kh, kw] = draft.geometry.kernel;
  const [td, th, tw] = tile.size;
  const pad = draft.geometry.padding[0];
  const late = lateDivisors(tileQuery(draft));
  const looped: Plane = {
    key: "l",
    z: (iz) => draft.direction === "forward" ? `${iz} + i32(kz) - ${pad}` : `${iz} + ${pad} - i32(kz)`,
  };
  const planes = new Map<number, Plane>();
  const taps: Tap[] = [];
  for (let i = 0; i < (loop ? 1 : kd); i++) {
    for (let j = 0; j < kh; j++) {
      for (let k = 0; k < kw; k++) {
        const uses: Use[] = [];
        for (let z = 0; z < td; z++) {
          const oz = loop ? 0 : tapOffset(draft, late, 0, z, i);
          if (oz === null) continue;
          if (!planes.has(oz)) planes.set(oz, loop ? looped : { key: key(oz), z: (iz) => `${iz} + ${oz}` });
          for (let y = 0; y < th; y++) {
            const oy = tapOffset(draft, late, 1, y, j);
            if (oy === null) continue;
            for (let x = 0; x < tw; x++) {
              const ox = tapOffset(draft, late, 2, x, k);
              if (ox !== null) uses.push({ cell: [z, y, x], plane: planes.get(oz)!, y: oy, x: ox });
            }
          }
        }
        if (uses.length > 0) taps.push({ depth: loop ? "kz" : `${i}u`, inPlane: j * kw + k, uses });
      }
    }
  }
  return { planes: [...planes].sort(([a], [b]) => a - b).map(([, plane]) => plane), taps };
}

/** A source as the kernel reads it: on software devices a dense volume of whole tiles, met by small kernels, is one block. */
function tiledSource(query: TileQuery, source: GatherSource, step: Dims3): GatherSource {
  const { placement } = source;
  const whole = query.device.software && !placement.blocks && lateDivisors(query).every((d) => d === 1) &&
    query.geometry.kernel.every((k) => k <= 3) &&
    placement.size.every((extent, a) => extent % step[a] === 0);
  return whole ? { ...source, placement: asOneBlock(placement) } : source;
}

/** Text and grid of a gathered convolution. */
export function gatherKernel(draft: GatherDraft, tile: Tile): KernelSpec {
  const query = tileQuery(draft);
  const loop = loopsDepth(query, tile);
  const step = tileStep(query, tile);
  const { planes, taps } = tapsOf(draft, tile, loop);
  const uses = taps.flatMap((tap) => tap.uses);
  const offsets = {
    y: [...new Set(uses.map((u) => u.y))].sort((a, b) => a - b),
    x: [...new Set(uses.map((u) => u.x))].sort((a, b) => a - b),
  };
  const divisors = lateDivisors(query);
  const placed = tiledOutput(draft, tile);
  const sources = draft.sources.map((s) => tiledSource(query, s, step));
  const readers = sources.map((s, i) =>
    suffixes(tile).map((suffix) =>
      new PointReader(`s${i}`, suffix, s.binding.name, s.placement, step, offsets, divisors)
    )
  );
  const fours = foursOf(draft, tile);
  const singles = uses.some(({ x }) => x < 0 || x >= tile.size[2]);
  const body = [
    ...tileLines(placed, tile),
    `let wfirst = (rest % p.outBlocks) * ${draft.geometry.kernel[0]}u;`,
    ...suffixes(tile).map((m) =>
      `let iz${m} = i32(tz${m}) * ${step[0]}; let iy${m} = i32(ty${m}) * ${
        step[1]
      }; let ix${m} = i32(tx${m}) * ${step[2]};`
    ),
    ...startLines(tile),
    ...readers.flat().flatMap((reader) => reader.axisLines()),
    ...(loop ? [`for (var kz = 0u; kz < ${draft.geometry.kernel[0]}u; kz++) {`] : []),
    ...draft.sources.flatMap((source, s) => {
      const apart = source.placement.blocks !== null && placed.blocks?.table === false &&
        placed.blocks.kept > 1 && source.channels >= APART_CHANNELS;
      return sourceLines(draft, tile, readers[s], s, planes, taps, fours[s], apart);
    }),
    ...(loop ? [`}`] : []),
    ...storeLines(draft, placed, tile),
  ];
  const inBlocks = placed.blocks !== null || sources.some((s) => s.placement.blocks !== null);
  const blocks = [draft.outPlacement, ...draft.sources.map((s) => s.placement)].find((at) => at.blocks);
  const tiles = tileCount(draft.outPlacement, tile);
  const outBlocks = Math.ceil(draft.outChannels / (4 * tile.quads));
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [
      ...draft.sources.filter((_, i) => fours[i] === null || singles)
        .map((s) => ({ ...s.binding, type: s.dtype })),
      ...fours.filter((binding) => binding !== null),
      { ...draft.weights, type: "vec4f" },
      ...(inBlocks ? [{ ...draft.table ?? draft.weights, name: "blockTable", type: "i32" }] : []),
      outputBinding(draft, placed, tile),
    ],
    params: {
      n: draft.n,
      tiles,
      outBlocks,
      inChannels: draft.packedChannels,
      biasAt: draft.biasAt ?? 0,
      biased: draft.biasAt === null ? 0 : 1,
      ...outputParams(draft, placed, tile),
      ...(inBlocks ? tableParams(blocks?.blocks ?? null) : {}),
      ...Object.assign({}, ...sources.map((s, i) => placementParams(`s${i}`, s.placement))),
      ...Object.fromEntries(sources.map((s, i) => [`channels${i}`, s.channels])),
      ...Object.fromEntries(
        sources.map((_, i) => [
          `first${i}`,
          draft.first + sources.slice(0, i).reduce((sum, { channels }) => sum + channels, 0),
        ]),
      ),
    },
    groups: Math.ceil(draft.n * outBlocks * tiles / WORKGROUP),
    body: body.join("\n"),
  });
}

/** Bindings of sources as arrays of four numbers, null for those that are not read so. */
function foursOf(draft: GatherDraft, tile: Tile): (Binding | null)[] {
  let room = 8 - draft.sources.length - 3;
  return draft.sources.map(({ binding, placement, dtype }) => {
    if (!readsFours(tileQuery(draft), placement, tile) || room-- <= 0) return null;
    return { ...binding, name: `${binding.name}fours`, type: storageType(dtype, 4) };
  });
}

/**
 * Adds one source to the accumulators. Points of a source in the block layout that feed a dense output are read block by
 * block, so that hidden blocks cost nothing; elsewhere, and with few channels, all points are read together.
 */
function sourceLines(
  draft: GatherDraft,
  tile: Tile,
  readers: readonly PointReader[],
  s: number,
  planes: readonly Plane[],
  taps: readonly Tap[],
  fours: Binding | null,
  apart: boolean,
): string[] {
  const lines = [`{`, ...readers.flatMap((reader) => planes.flatMap((plane) => reader.planeLines(plane)))];
  const stored = (u: Use) => readers[0].stored(u.plane, u.y, u.x);
  for (const condition of apart ? new Set(taps.flatMap((tap) => tap.uses).map(stored)) : [null]) {
    const part = condition === null
      ? taps
      : taps.map((tap) => ({ ...tap, uses: tap.uses.filter((u) => stored(u) === condition) }));
    lines.push(
      condition === null ? `{` : `if (${condition}) {`,
      `for (var c = 0u; c < p.channels${s}; c++) {`,
      `let plane = i32(n * p.channels${s} + c) * p.s${s}Voxels;`,
      `let channel = c + p.first${s};`,
      ...multiplyLines(draft, tile, readers, s, part.filter((tap) => tap.uses.length > 0), fours),
      `} }`,
    );
  }
  return [...lines, `}`];
}
