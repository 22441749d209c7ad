/** Tuning tables of gathered convolutions: the key of a gather, and whether a measured tile still fits. */
import type { DType, Tile, TunedTile } from "../../spec.ts";
import type { GatherDraft } from "./gather.wgsl.ts";
import type { Placement } from "./placement.ts";

type Gather = Pick<
  GatherDraft,
  "direction" | "geometry" | "n" | "sources" | "outChannels" | "outPlacement" | "outType"
>;

/**
 * Everything about a gather that its tile depends on, apart from the device, as text: two gathers with the same key take
 * equally long. Kernel, stride, padding, samples, then channels, type and volume of every source and of the output, in the
 * block layout with the edge of a block and the room for blocks:
 * `forward k3x3x3 s1x1x1 p1x1x1 n1 32 f32 48x48x48 e16x16x16 k9 > 64 f32 48x48x48 e16x16x16 k9`.
 */
export function gatherKey(gather: Gather): string {
  const { direction, geometry: { kernel, stride, padding }, n, sources, outChannels, outPlacement, outType } =
    gather;
  const read = sources.map(({ channels, dtype, placement }) => tensorKey(channels, dtype, placement));
  return `${direction} k${kernel.join("x")} s${stride.join("x")} p${padding.join("x")} n${n} ${
    read.join(" + ")
  } > ${tensorKey(outChannels, outType, outPlacement)}`;
}

function tensorKey(channels: number, dtype: DType, { size, blocks }: Placement): string {
  const kept = blocks ? ` e${blocks.edge.join("x")} k${blocks.kept}` : "";
  return `${channels} ${dtype} ${size.join("x")}${kept}`;
}

/** The candidate that a table's entry names; none without an entry, and where its tile does not fit (any more). */
export function tunedTile(entry: TunedTile | undefined, candidates: readonly Tile[]): Tile | undefined {
  return entry &&
    candidates.find(({ size, quads, blocks }) =>
      size.every((extent, axis) => extent === entry.size[axis]) && quads === entry.quads &&
      blocks === entry.blocks
    );
}
