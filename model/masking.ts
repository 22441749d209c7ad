/** Which voxels of each level a sparse encoder sees, and how its activations are stored. */
import type { Graph, Scope, Value } from "../kernels/graph/graph.ts";
import { hiddenMask, keptMask } from "../kernels/ops/blocks/masks.ts";
import { type BlockGrid, blockTable } from "../kernels/ops/blocks/table.ts";
import { volume } from "../kernels/ops/check.ts";
import { expandMask } from "../kernels/ops/mask/op.ts";
import { type Dims3, tensor } from "../kernels/spec.ts";

/**
 * How a sparse encoder stores its activations.
 * - `blocks`: the kept blocks only, so that nothing is computed for hidden ones.
 * - `dense-masked`: whole maps with zeros in hidden voxels.
 */
export type EncoderLayout = "blocks" | "dense-masked";

/** Kept blocks told by a table, as in kernels/ops/blocks/table.ts. */
export interface BlockTable extends BlockGrid {
  /** `[N, 1 + G + K]` of i32. */
  readonly table: Value;
}

/** What tells visible blocks, and with it the layout: a block mask `[N, 1, g0, g1, g2]`, 1 = visible, or a block table. */
export type VisibleBlocks = Value | BlockTable;

/** Declares the graph input that a layout takes: `mask` for dense-masked, `table` for blocks. */
export function declareVisibleBlocks(
  graph: Graph,
  layout: EncoderLayout,
  n: number,
  at: BlockGrid,
): VisibleBlocks {
  return layout === "blocks"
    ? { ...at, table: graph.input("table", blockTable(n, at)) }
    : graph.input("mask", tensor([n, 1, ...at.grid]));
}

/** The visible voxels of every level of an encoder. */
export class Masking {
  readonly grid: Dims3;
  /** The block table in the block layout; null in the dense-masked one. */
  readonly blocks: BlockTable | null;
  readonly #mask: Value | null;
  readonly #made = new Map<string, Value>();

  /** @param scope where nodes that make masks are named */
  constructor(readonly scope: Scope, visible: VisibleBlocks) {
    this.blocks = "table" in visible ? visible : null;
    this.#mask = "table" in visible ? null : visible;
    this.grid = "table" in visible ? visible.grid : sizeOf(visible);
  }

  /** Whether maps of a size have hidden voxels; maps coarser than the mask in all axes count as visible everywhere. */
  masks(size: Dims3): boolean {
    return !size.every((extent, axis) => extent < this.grid[axis]);
  }

  /** The input that tells a masked operation the visible voxels of an activation of the encoder; null when all are. */
  of(y: Value): Value | null {
    if (this.blocks) return y.spec.layout.kind === "blocks" ? this.blocks.table : null;
    return this.masks(sizeOf(y)) ? this.visible(sizeOf(y)) : null;
  }

  /**
   * Voxel mask `[N, 1, ...size]`, 1 = visible.
   * @throws {ShapeError} when the size is no multiple of the grid
   */
  visible(size: Dims3): Value {
    return this.#once(`visible ${size}`, () => {
      const at = this.scope.at("mask");
      if (this.blocks) return at.apply(keptMask, [this.blocks.table], this.#maskAttrs(size));
      const same = size.every((extent, axis) => extent === this.grid[axis]);
      return same ? this.#mask! : at.apply(expandMask, [this.#mask!], { size });
    });
  }

  /** Voxel mask `[N, 1, ...size]`, 1 = hidden, from the table of the block layout. @throws {ShapeError} as `visible` */
  hidden(size: Dims3): Value {
    return this.#once(
      `hidden ${size}`,
      () => this.scope.at("mask").apply(hiddenMask, [this.blocks!.table], this.#maskAttrs(size)),
    );
  }

  #maskAttrs(size: Dims3) {
    const { grid, kept } = this.blocks!;
    return { grid, kept, size };
  }

  #once(key: string, make: () => Value): Value {
    const known = this.#made.get(key) ?? make();
    this.#made.set(key, known);
    return known;
  }
}

/** Extents along depth, height and width of the volume that an activation stands for, in either layout. */
export function sizeOf(x: Value): Dims3 {
  return volume("sizeOf", x.name, x.spec).size;
}
