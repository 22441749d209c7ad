/** Which two tensors a weight gradient multiplies, and how their voxels meet. */
import { byteLength, type Dims3, tensor, type TensorSpec } from "../../spec.ts";
import type { KernelDraft } from "../../wgsl/module.ts";
import { volume } from "../check.ts";
import { type ConvGeometry, dims, volumeOf } from "./geometry.ts";
import { type Placement, placementOf } from "./placement.ts";

/** An activation that takes part: how it is bound, and its shape, layout and element type (f32 or f16). */
export interface Operand {
  readonly binding: KernelDraft["bindings"][number];
  readonly spec: TensorSpec;
}

/** An operand with its placement, which may have lost axes that do not matter. */
export interface Side extends Operand {
  readonly channels: number;
  readonly placement: Placement;
}

/**
 * The sum of one source: `dw[s,h,k] = sum_q still[s,q] halo[h, stride q + k - padding]`, where the halo operand counts as
 * stretched by `dilation` with zeros in between. The sum runs over the voxels of the still operand.
 *
 * Usually that is dy, and x the other one. From kept blocks to a dense dy it is the other way round, with mirrored taps, so
 * that hidden voxels cost nothing: `q = (p + pad - k) / s` for the voxel p of x, dy stretched by the stride.
 */
export interface Pair {
  readonly still: Side;
  readonly halo: Side;
  readonly kernel: Dims3;
  readonly stride: Dims3;
  readonly padding: Dims3;
  readonly dilation: Dims3;
  /** Whether the halo operand's blocks come with a border (border.wgsl.ts), so that rows never leave them. */
  readonly bordered: boolean;
  /** Whether x is the still operand; then tap k of the pair is tap K - 1 - k of the weight. */
  readonly mirrored: boolean;
}

/** The pair of one source. */
export function pairOf(g: ConvGeometry, source: Operand, dy: Operand): Pair {
  const [x, y] = [sideOf(source), sideOf(dy)];
  const { kernel } = g;
  if (x.placement.blocks && !y.placement.blocks) {
    return {
      still: x,
      halo: y,
      kernel,
      stride: [1, 1, 1],
      padding: dims((a) => kernel[a] - 1 - g.padding[a]),
      dilation: g.stride,
      bordered: false,
      mirrored: true,
    };
  }
  const pair: Pair = {
    still: y,
    halo: x,
    kernel,
    stride: g.stride,
    padding: g.padding,
    dilation: [1, 1, 1],
    bordered: false,
    mirrored: false,
  };
  const alike = (x.placement.blocks === null) === (y.placement.blocks === null);
  const pointwise = volumeOf(kernel) === 1 && volumeOf(g.stride) === 1 &&
    volumeOf(dims((a) => g.padding[a] + 1)) === 1;
  return alike && pointwise ? { ...pair, still: flattened(y), halo: flattened(x) } : pair;
}

/** Longest edge of blocks that get a border: the copy is (edge + 2)^3 / edge^3 times as large. */
const BORDER_EDGE = 4;
/** Largest share of what can be bound that the copy takes, so that it never decides which patches fit. */
const BORDER_SHARE = 1 / 4;

/**
 * A pair whose halo operand has a border; null where that does not help (long blocks, other layouts, no halo) or takes too
 * much memory: blocks of the finest levels, which only networks with tiny blocks have.
 * @param target where the copy goes
 * @param maxBinding most bytes that a kernel can bind
 */
export function borderedPair(
  pair: Pair,
  target: Operand["binding"],
  maxBinding: number,
): (Pair & { readonly extent: Dims3 }) | null {
  const { still, halo, kernel, stride } = pair;
  const [inner, outer] = [still.placement.blocks, halo.placement.blocks];
  if (!inner || !outer || volumeOf(kernel) === 1 || Math.max(...inner.edge) > BORDER_EDGE) return null;
  const reach = dims((a) => (inner.edge[a] - 1) * stride[a] + kernel[a]);
  const extent: Dims3 = [reach[0], reach[1], Math.ceil(reach[2] / 4) * 4];
  const [n, channels, kept] = halo.spec.shape;
  const spec = tensor([n, channels, kept, ...extent]);
  if (byteLength(spec) > BORDER_SHARE * maxBinding) return null;
  return {
    ...pair,
    halo: {
      ...halo,
      binding: target,
      spec,
      placement: { ...halo.placement, blocks: { ...outer, edge: extent } },
    },
    padding: [0, 0, 0],
    bordered: true,
    extent,
  };
}

function sideOf(operand: Operand): Side {
  return {
    ...operand,
    channels: volume("weight gradient", "operand", operand.spec).c,
    placement: placementOf(operand.spec),
  };
}

/** Long rows for products of equal voxels: planes of a volume, whole blocks. */
function flattened(side: Side): Side {
  const { size: [d, h, w], blocks } = side.placement;
  if (!blocks) return { ...side, placement: { size: [1, d, h * w], blocks } };
  const cells = volumeOf(blocks.grid);
  const voxels = volumeOf(blocks.edge);
  return {
    ...side,
    placement: {
      size: [1, 1, cells * voxels],
      blocks: { ...blocks, grid: [1, 1, cells], edge: [1, 1, voxels] },
    },
  };
}

/** What rows run through: a whole volume, or one block. */
export function extentOf({ size, blocks }: Placement): Dims3 {
  return blocks ? blocks.edge : size;
}
