/** Sparse encoding as dense tensors and masks: which voxels of each level are visible. */
import type { Scope } from "../kernels/graph/graph.ts";
import type { Value } from "../kernels/graph/graph.ts";
import { expandMask } from "../kernels/ops/mask/op.ts";
import type { Dims3 } from "../kernels/spec.ts";

/** The visible voxels of every level of an encoder, made from one block mask. */
export class Masking {
  #levels = new Map<string, Value>();

  /** @param mask block mask `[N, 1, g0, g1, g2]`, 1 = visible */
  constructor(readonly scope: Scope, readonly mask: Value) {}

  /**
   * Voxel mask `[N, 1, ...size]`, or null where every voxel counts as visible: at levels coarser than the mask in all axes.
   * @throws {ShapeError} when the size is no multiple of the grid
   */
  at(size: Dims3): Value | null {
    const grid = this.mask.spec.shape.slice(2);
    if (size.every((extent, axis) => extent < grid[axis])) return null;
    const key = size.join("x");
    const known = this.#levels.get(key);
    if (known) return known;
    const level = size.every((extent, axis) => extent === grid[axis])
      ? this.mask
      : this.scope.at("mask").apply(expandMask, [this.mask], { size });
    this.#levels.set(key, level);
    return level;
  }
}

/** Extents along depth, height and width of an activation. */
export function sizeOf(x: Value): Dims3 {
  const [, , d, h, w] = x.spec.shape;
  return [d, h, w];
}
