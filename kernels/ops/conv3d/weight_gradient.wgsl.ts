// Weight gradient of a convolution, first stage: partial sums by chunk of rows, each in a fixed order.
//   dw[s,h,k] = sum_{n,q} still[n,s,q] * halo[n,h, stride*q + k - pad]       (weight_gradient_pair.ts says which is which)
// Layout   operands: dense [N, C, D, H, W] or blocks [N, C, K, e, e, e]; hidden voxels count as 0
//          partials: [chunk, lane, O * I * taps] in the order of the weight; totals: [chunk, lane, O], sums of dy
// Work     1 thread = 4*quads still channels x `halos` halo channels x all taps over the rows of one chunk; a tile moves along
//          a row and keeps what it has loaded of the halo (weight_gradient_tile.ts)
// Limits   5 storage bindings at most, no workgroup memory
// Siblings sum_chunks.wgsl.ts (second stage), bias_gradient.ts   Reference reference.ts
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import type { Store } from "../accumulation.ts";
import { volumeOf } from "./geometry.ts";
import { HaloRows, rowKey } from "./halo_rows.ts";
import { storedVoxels } from "./placement.ts";
import type { Pair } from "./weight_gradient_pair.ts";
import { bound, productsOf, rowLines, stillRows, sumName, times, totalName } from "./weight_gradient_row.ts";
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
  /** Input channels of the array that the sums are stored in, how many of them come before the source's, and where it starts. */
  readonly channels: number;
  readonly first: number;
  readonly base: number;
  readonly table: Binding | null;
  readonly partial: Binding;
  readonly store: Store;
  /** Where the sums of dy go; null where nobody wants them. Only for pairs whose still operand is dy. */
  readonly totals: Binding | null;
  readonly totalsStore: Store;
  /** Whether these threads store the sums of dy: those of one source do. */
  readonly storesTotals: boolean;
}

/** Threads of a chunk. */
export function threadsOf(pair: Pair, tile: WeightTile): number {
  return tile.lanes * Math.ceil(pair.still.channels / (4 * tile.quads)) *
    Math.ceil(pair.halo.channels / tile.halos);
}

/** Text and grid of partial sums. */
export function partialSumsKernel(draft: PartialSums): KernelSpec {
  const { pair, tile, n, channels } = draft;
  const { still, halo } = pair;
  const taps = volumeOf(pair.kernel);
  const products = productsOf(pair, tile);
  const rows = new Map(products.map(({ row }) => [rowKey(row), row]));
  const halos = new HaloRows(pair, tile, [...rows.values()]);
  const blocks = still.placement.blocks;
  const partials = { ...draft.partial, name: "partials" };
  const totals = draft.totals && { ...draft.totals, name: "totals" };
  const [tilesZ, tilesY] = tileRows(pair, tile);
  const rowLoop = (stop: string) => [
    `for (; row < ${stop}; row++) {`,
    `let z0 = tz * ${tile.size[0]}; let y0 = ty * ${tile.size[1]};`,
    ...halos.rowLines(),
    ...stillRows(pair, tile),
    ...rowLines(pair, tile, products, halos, totals !== null),
    `ty = ty + 1; let nextPlane = ty == p.tilesY; ty = select(ty, 0, nextPlane);`,
    `tz = tz + select(0, 1, nextPlane); let nextBlock = tz == p.tilesZ; tz = select(tz, 0, nextBlock);`,
    ...(pair.bordered ? [`block = block + select(0, 1, nextBlock);`] : []),
    `}`,
  ];
  const body = [
    `let lane = tid % ${tile.lanes}u; let unit = tid / ${tile.lanes}u;`,
    `let h = (unit % p.haloGroups) * ${tile.halos}u; let rest = unit / p.haloGroups;`,
    `let s = (rest % p.stillGroups) * ${4 * tile.quads}u; let chunk = p.firstChunk + rest / p.stillGroups;`,
    `if (chunk >= p.endChunk) { return; }`,
    ...[...sums(tile, taps), ...(totals ? times(tile.quads, totalName) : [])].map((sum) =>
      `var ${sum} = vec4f();`
    ),
    ...times(4 * tile.quads, (j) => `let s${j} = min(s + ${j}u, p.still - 1u);`),
    ...times(tile.halos, (c) => `let h${c} = min(h + ${c}u, p.halo - 1u);`),
    ...(blocks
      ? [
        `var blocks = 0;`,
        `for (var i = 0u; i < p.n; i++) { blocks = blocks + blockTable[i * u32(p.tableLength)]; }`,
        `let all = blocks * p.tiles;`,
      ]
      : [`let all = i32(p.n) * p.tiles;`]),
    `let each = all / p.chunks; let spare = all - each * p.chunks;`,
    `let firstRow = i32(chunk) * each + min(i32(chunk), spare);`,
    `let endRow = firstRow + each + select(0, 1, i32(chunk) < spare);`,
    `var seen = 0;`,
    `for (var n = 0u; n < p.n; n++) {`,
    `let table = i32(n) * p.tableLength;`,
    `let rows = ${blocks ? "blockTable[u32(table)] * p.tiles" : "p.tiles"};`,
    `let end = min(endRow - seen, rows);`,
    `var row = max(firstRow - seen, 0);`,
    `seen = seen + rows;`,
    `var ty = row % p.tilesY; let plane = row / p.tilesY; var tz = plane % p.tilesZ;`,
    ...times(4 * tile.quads, (j) => `let still${j} = i32((n * p.still + s${j}) * p.stillVoxels);`),
    ...times(tile.halos, (c) => `let halo${c} = i32((n * p.halo + h${c}) * p.haloVoxels);`),
    ...(blocks ? blockLoop(pair, rowLoop, halos) : rowLoop("end")),
    `}`,
    ...storeLines(draft, partials),
    ...(totals ? totalLines(tile, totals, draft.totalsStore) : []),
  ];
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [
      bound(still, "stillData", tile.stillWidth),
      bound(halo, "haloData", tile.width),
      ...(blocks ? [draft.table!] : []),
      partials,
      ...(totals ? [totals] : []),
    ],
    params: {
      n,
      still: still.channels,
      halo: halo.channels,
      stillGroups: Math.ceil(still.channels / (4 * tile.quads)),
      haloGroups: Math.ceil(halo.channels / tile.halos),
      stillVoxels: storedVoxels(still.placement) / tile.stillWidth,
      haloVoxels: storedVoxels(halo.placement) / tile.width,
      chunks: { i32: draft.chunks },
      firstChunk: draft.from,
      endChunk: draft.to,
      tiles: { i32: tilesZ * tilesY },
      tilesZ: { i32: tilesZ },
      tilesY: { i32: tilesY },
      tableLength: { i32: blocks ? 1 + volumeOf(blocks.grid) + blocks.kept : 0 },
      total: (pair.mirrored ? halo : still).channels * channels,
      stillStep: pair.mirrored ? 1 : channels,
      haloStep: pair.mirrored ? channels : 1,
      first: draft.first,
      base: draft.base,
      turns: turnsOf(pair, tile),
      flip: { i32: pair.mirrored ? taps - 1 : 0 },
      ...halos.params(),
      ...draft.store.params,
      ...(totals ? { ...draft.totalsStore.params, storesTotals: draft.storesTotals ? 1 : 0 } : {}),
    },
    groups: Math.ceil(threadsOf(pair, tile) * (draft.to - draft.from) / WORKGROUP),
    body: body.join("\n"),
  });
}

/** Loops over blocks and their rows: one where blocks need nothing, as every loop moves all sums on software devices. */
function blockLoop(pair: Pair, rowLoop: (stop: string) => string[], halos: HaloRows): string[] {
  if (pair.bordered) return [`var block = plane / p.tilesZ;`, ...rowLoop("end")];
  return [
    `for (var block = plane / p.tilesZ; row < end; block++) {`,
    `let stop = min(end, (block + 1) * p.tiles);`,
    ...halos.blockLines(),
    ...rowLoop("stop"),
    `}`,
  ];
}

function sums(tile: WeightTile, taps: number): string[] {
  return times(taps, (k) => times(tile.quads, (q) => times(tile.halos, (c) => sumName(k, q, c)))).flat(2);
}

/**
 * Stores the sums tap by tap, those of a kernel of one tap pair by pair. On software devices that is a loop, whose length the
 * compiler does not know: 108 stores one after another take llvmpipe 0.2 s to compile, half of what the whole kernel takes,
 * and an array with a varying index far longer.
 */
function storeLines({ pair, tile, device, store }: PartialSums, partials: Binding): string[] {
  const taps = volumeOf(pair.kernel);
  const pairs = times(tile.quads, (q) => times(tile.halos, (c) => [q, c] as const)).flat();
  const group = (names: readonly string[], quad: string, halo: string) => [
    `{`,
    `var four = ${names[0]};`,
    ...names.slice(1).map((name, k) => `four = select(four, ${name}, turn == ${k + 1}u);`),
    ...times(4, (j) => [
      `if ((s + ${quad} + ${j}u < p.still) & (h + ${halo} < p.halo)) {`,
      `let sum = four.${
        "xyzw"[j]
      }; let place = at + ((${quad} + ${j}u) * p.stillStep + ${halo} * p.haloStep) * ${taps}u;`,
      store.into(partials, "place", "sum"),
      `}`,
    ]).flat(),
    `}`,
  ];
  /** Statements of a turn. @param among the sums that it may store, of all those that take turns */
  const turn = (among: (names: readonly string[]) => readonly string[]) =>
    taps === 1
      ? [
        `let at = start;`,
        ...group(
          among(pairs.map(([q, c]) => sumName(0, q, c))),
          `turn / ${tile.halos}u * 4u`,
          `turn % ${tile.halos}u`,
        ),
      ]
      : [
        `let at = start + u32(abs(p.flip - i32(turn)));`,
        ...pairs.flatMap(([q, c]) =>
          group(among(times(taps, (k) => sumName(k, q, c))), `${4 * q}u`, `${c}u`)
        ),
      ];
  return [
    `let start = p.base + ((chunk * ${tile.lanes}u + lane) * p.total + p.first + s * p.stillStep + h * p.haloStep) * ${taps}u;`,
    ...(device.software
      ? [`for (var turn = 0u; turn < p.turns; turn++) {`, ...turn((names) => names), `}`]
      : times(turnsOf(pair, tile), (k) => [`{ let turn = ${k}u;`, ...turn((names) => [names[k]]), `}`])
        .flat()),
  ];
}

function turnsOf({ kernel }: Pair, { quads, halos }: WeightTile): number {
  const taps = volumeOf(kernel);
  return taps === 1 ? quads * halos : taps;
}

/** Stores the sums of dy: threads of the first halo channels have them all. */
function totalLines(tile: WeightTile, totals: Binding, store: Store): string[] {
  const lines = times(tile.quads, (q) =>
    times(4, (j) => [
      `if (s + ${4 * q + j}u < p.still) {`,
      `let sum = ${totalName(q)}.${"xyzw"[j]}; let place = (chunk * ${tile.lanes}u + lane) * p.still + s + ${
        4 * q + j
      }u;`,
      store.into(totals, "place", "sum"),
      `}`,
    ]));
  return [`if ((h == 0u) & (p.storesTotals == 1u)) {`, ...lines.flat(2), `}`];
}
