/** The inner loop of a gathered convolution: loads of points and weights of one channel, and their products. */
import { type KernelDraft, load } from "../../wgsl/module.ts";
import type { GatherDraft, GatherSource } from "./gather.wgsl.ts";
import { accumulator, cellsOf } from "./gather_output.ts";
import { key, type Plane, type PointReader } from "./placement.ts";
import type { Tile } from "./tile.ts";

type Binding = KernelDraft["bindings"][number];

/** An output voxel of the tile and the point that a tap joins it to. */
export interface Use {
  readonly cell: readonly [number, number, number];
  readonly plane: Plane;
  readonly y: number;
  readonly x: number;
}

/** One kernel tap of a tile. */
export interface Tap {
  /** WGSL of the tap's number along depth. */
  readonly depth: string;
  /** Number of the tap along height and width. */
  readonly inPlane: number;
  readonly uses: readonly Use[];
}

/** A tap's number among those of a tile, with one of its uses. */
interface Product {
  readonly tap: number;
  readonly use: Use;
}

/**
 * Loads the points of some taps in one channel and adds their products, one accumulator after another: it then stays in a
 * register while its taps are added (a third faster on llvmpipe than one tap after another). With few accumulators the
 * products of a row of points follow its loads: as fast, and compiled in 0.75 of the time.
 */
export function multiplyLines(
  draft: Pick<GatherDraft, "direction" | "geometry" | "sources">,
  tile: Tile,
  readers: readonly PointReader[],
  s: number,
  taps: readonly Tap[],
  fours: Binding | null,
): string[] {
  const products = taps.flatMap(({ uses }, tap) => uses.map((use): Product => ({ tap, use })));
  const points = (reader: PointReader, part: readonly Product[]) =>
    pointLines(draft.sources[s], tile, reader, part, fours);
  const weights = weightLines(draft, tile, taps);
  if (tile.quads > 1 || draft.direction === "transposed") {
    return [
      ...readers.flatMap((reader) => points(reader, products)),
      ...weights,
      ...readers.flatMap((reader) => productLines(tile, reader, products)),
    ];
  }
  const rows = Map.groupBy(products, ({ use }) => `${use.plane.key}${key(use.y)}`);
  const order = [...rows.values()].sort(([a], [b]) => a.use.y - b.use.y);
  return [
    ...weights,
    ...readers.flatMap((reader) =>
      order.flatMap((row) => [...points(reader, row), ...productLines(tile, reader, row)])
    ),
  ];
}

/** Name of a point's value. */
function pointName(reader: PointReader, { plane, y, x }: Use): string {
  return `v${reader.suffix}${plane.key}${key(y)}${key(x)}`;
}

/** Loads the points of some products, four at a time where `fours` is bound. */
function pointLines(
  { binding, dtype }: GatherSource,
  tile: Tile,
  reader: PointReader,
  products: readonly Product[],
  fours: Binding | null,
): string[] {
  const value = (index: string) => load({ ...binding, type: dtype }, index);
  const four = (index: string) => load(fours!, `(${index} >> 2u)`);
  const uses = products.map(({ use }) => use).sort((a, b) => a.x - b.x);
  const points = new Map(uses.map((u) => [pointName(reader, u), u]));
  return [...points].flatMap(([v, u]) => {
    if (!fours || u.x < 0 || u.x >= tile.size[2]) {
      return [`let ${v} = ${reader.value("plane", u.plane, u.y, u.x, value)};`];
    }
    const at = u.x % 4;
    const whole = pointName(reader, { ...u, x: u.x - at }).replace("v", "f");
    return [
      ...(at === 0 ? [`let ${whole} = ${reader.value("plane", u.plane, u.y, u.x, four, "vec4f()")};`] : []),
      `let ${v} = ${whole}.${"xyzw"[at]};`,
    ];
  });
}

/** Loads the weights of some taps in one channel. */
function weightLines(
  { geometry }: Pick<GatherDraft, "geometry">,
  tile: Tile,
  taps: readonly Tap[],
): string[] {
  const inPlane = geometry.kernel[1] * geometry.kernel[2];
  const lines = [...new Set(taps.map((tap) => tap.depth))].map((depth) =>
    `let w${depth} = ((wfirst + ${depth}) * p.inChannels + channel) * ${inPlane * tile.quads}u;`
  );
  for (const [t, { depth, inPlane: at }] of taps.entries()) {
    for (let q = 0; q < tile.quads; q++) {
      lines.push(`let k${t}_${q} = weights[w${depth} + ${at * tile.quads + q}u];`);
    }
  }
  return lines;
}

/** Adds products to their accumulators. */
function productLines(tile: Tile, reader: PointReader, products: readonly Product[]): string[] {
  const byCell = Map.groupBy(products, ({ use }) => use.cell.join());
  return cellsOf(tile).flatMap((cell) =>
    Array.from({ length: tile.quads }, (_, q) => {
      const a = accumulator(reader.suffix, cell, q);
      return (byCell.get(cell.join()) ?? [])
        .map(({ tap, use }) => `${a} = fma(k${tap}_${q}, vec4f(${pointName(reader, use)}), ${a});`).join(" ");
    })
  ).filter((line) => line !== "");
}
