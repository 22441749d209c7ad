import { hashRandom } from "../data/random.ts";
import type { Dims3 } from "../data/volume.ts";

/** A mask that cannot be drawn or expanded; `found` holds the offending values. */
export class MaskError extends Error {
  override readonly name = "MaskError";
  constructor(message: string, readonly found: Readonly<Record<string, unknown>>) {
    super(message);
  }
}

/**
 * Which cubes of one patch the encoder may see. G = product of `grid`, K = `keptCount`.
 * Cells count in C order (last axis fastest).
 */
export interface BlockMask {
  /** cells per axis, patch size / block size */
  readonly grid: Dims3;
  /** `[G]`, 1 = visible, 0 = hidden */
  readonly kept: Uint8Array<ArrayBuffer>;
  /** `[K]`, cell index of each visible block, ascending */
  readonly keptToGrid: Uint32Array<ArrayBuffer>;
  /** `[G]`, position in `keptToGrid`, -1 where hidden */
  readonly gridToKept: Int32Array<ArrayBuffer>;
  readonly keptCount: number;
}

/** Share of hidden blocks: the same in every step, or drawn once per step from U(low, high). */
export type MaskRatio =
  | { readonly kind: "fixed"; readonly value: number }
  | { readonly kind: "uniform"; readonly low: number; readonly high: number };

/** First key of each random stream, so that no two purposes share draws. */
const STREAM = { training: 0x6d61736b, validation: 0x6d76616c, ratio: 0x6d726174 } as const;

/** What {@linkcode sampleBlockMask} draws from: the same values give the same mask on every machine. */
export interface BlockMaskRequest {
  /** voxels per axis `[D, H, W]` */
  readonly patch: Dims3;
  /** block edge in voxels, one for all axes or one per axis */
  readonly block: number | Dims3;
  /** share of hidden blocks, above 0 and below 1 */
  readonly ratio: number;
  readonly seed: number;
  readonly step: number;
  /** position of the sample in the batch */
  readonly sample: number;
}

/**
 * Number of hidden cells, `floor(ratio * cells)` with the product taken in float64.
 * Source: He et al. 2022 (arXiv:2111.06377), section 3; rounding as in nnssl `create_blocky_mask`.
 */
export function hiddenCount(ratio: number, cells: number): number {
  return Math.floor(ratio * cells);
}

/**
 * Cells per axis for a patch.
 *
 * @throws {MaskError} if a block does not tile its axis
 */
export function blockGrid(patch: Dims3, block: number | Dims3): Dims3 {
  const edges: Dims3 = typeof block === "number" ? [block, block, block] : block;
  for (let axis = 0; axis < 3; axis++) {
    if (
      !(Number.isInteger(edges[axis]) && edges[axis] > 0 && patch[axis] > 0 &&
        patch[axis] % edges[axis] === 0)
    ) {
      throw new MaskError(
        `Cannot tile patch ${patch.join("x")} with blocks of ${
          edges.join("x")
        }: axis ${axis} leaves a remainder: ` +
          `choose a patch size that is a multiple of the block`,
        { patch, block: edges, axis },
      );
    }
  }
  return [patch[0] / edges[0], patch[1] / edges[1], patch[2] / edges[2]];
}

/**
 * Draws the mask of one training sample: a uniform random permutation of the cells, the first `floor(ratio * G)` hidden.
 *
 * @throws {MaskError} if the block does not tile the patch, or nothing would be hidden or visible
 *
 * @example
 * ```ts
 * const mask = sampleBlockMask({ patch: [160, 160, 160], block: 16, ratio: 0.75, seed: 1, step: 0, sample: 0 });
 * mask.keptCount; // 250
 * ```
 * Source: block masks on 3D patches, Wald et al. 2025 (arXiv:2410.23132); sparse form: Tian et al. 2023 (arXiv:2301.03580)
 */
export function sampleBlockMask(request: BlockMaskRequest): BlockMask {
  return drawMask(request, STREAM.training, request.step, request.sample);
}

/**
 * The fixed mask of one validation patch: depends on the patch number only, never on the training step, so that
 * losses of different epochs can be compared.
 *
 * @param request `index` numbers the validation patches from 0
 * @throws {MaskError} as {@linkcode sampleBlockMask}
 */
export function validationBlockMask(
  request: Omit<BlockMaskRequest, "step" | "sample"> & { readonly index: number },
): BlockMask {
  return drawMask(request, STREAM.validation, request.index);
}

function drawMask(
  request: Pick<BlockMaskRequest, "patch" | "block" | "ratio" | "seed">,
  stream: number,
  ...keys: number[]
): BlockMask {
  const grid = blockGrid(request.patch, request.block);
  const cells = grid[0] * grid[1] * grid[2];
  const hidden = hiddenCount(request.ratio, cells);
  if (!(hidden >= 1 && hidden < cells)) {
    throw new MaskError(
      `Cannot hide ${hidden} of ${cells} blocks: a mask needs hidden and visible blocks: ` +
        `choose a ratio above 0 and below 1 (found ${request.ratio}), smaller blocks or a larger patch`,
      { ratio: request.ratio, cells, hidden },
    );
  }
  const order = hashRandom(request.seed, stream, ...keys).permutation(cells);
  const kept = new Uint8Array(cells).fill(1);
  for (let i = 0; i < hidden; i++) kept[order[i]] = 0;
  return maskFromCells(kept, grid);
}

/**
 * Builds the index tables for a given choice of cells.
 *
 * @param kept `[G]`, 1 = visible, 0 = hidden
 */
export function maskFromCells(kept: Uint8Array<ArrayBuffer>, grid: Dims3): BlockMask {
  if (kept.length !== grid[0] * grid[1] * grid[2]) {
    throw new MaskError(`Cannot build a mask: found ${kept.length} cells for grid ${grid.join("x")}`, {
      grid,
    });
  }
  const gridToKept = new Int32Array(kept.length).fill(-1);
  let keptCount = 0;
  for (let cell = 0; cell < kept.length; cell++) if (kept[cell] === 1) gridToKept[cell] = keptCount++;
  const keptToGrid = new Uint32Array(keptCount);
  for (let cell = 0; cell < kept.length; cell++) if (kept[cell] === 1) keptToGrid[gridToKept[cell]] = cell;
  return { grid, kept, keptToGrid, gridToKept, keptCount };
}

/**
 * The mask ratio of a step: one value for the whole batch, from its own stream of random numbers.
 * Source: U(0.6, 0.9) is the final choice of Wald et al. 2025 (arXiv:2410.23132).
 */
export function sampleRatio(seed: number, step: number, ratio: MaskRatio): number {
  if (ratio.kind === "fixed") return ratio.value;
  return ratio.low + (ratio.high - ratio.low) * hashRandom(seed, STREAM.ratio, step).uniform();
}

/**
 * Largest number of visible blocks that any step of a run can have; sizes the block layout's buffers.
 *
 * @param cells number of grid cells G
 */
export function keptCapacity(ratio: MaskRatio, cells: number): number {
  return cells - hiddenCount(ratio.kind === "fixed" ? ratio.value : ratio.low, cells);
}

/**
 * Repeats each cell to fill a feature map (nearest neighbour).
 *
 * A map smaller than the grid in all three axes has cells mixed into single voxels, so it counts as fully visible.
 *
 * @param kept `[g0 * g1 * g2]`, 1 = visible
 * @param size feature map `[D, H, W]`
 * @returns `[D * H * W]`, 1 = visible
 * @throws {MaskError} if the map is smaller in some axes only, or not a multiple of the grid
 */
export function expandMask(kept: ArrayLike<number>, grid: Dims3, size: Dims3): Uint8Array<ArrayBuffer> {
  const [depth, height, width] = size;
  const expanded = new Uint8Array(depth * height * width);
  if (size.every((n, axis) => n < grid[axis])) return expanded.fill(1);
  for (let axis = 0; axis < 3; axis++) {
    if (size[axis] % grid[axis] !== 0) {
      const why = size[axis] < grid[axis]
        ? "smaller than the grid in some axes only"
        : "no multiple of the grid";
      throw new MaskError(
        `Cannot expand mask grid ${grid.join("x")} to ${size.join("x")}: axis ${axis} is ${why}: ` +
          `choose patch and block so that every level is a multiple of the grid or smaller in all axes`,
        { grid, size, axis },
      );
    }
  }
  const [fd, fh, fw] = [depth / grid[0], height / grid[1], width / grid[2]];
  const row = new Uint8Array(width);
  for (let gd = 0; gd < grid[0]; gd++) {
    for (let gh = 0; gh < grid[1]; gh++) {
      const cell = (gd * grid[1] + gh) * grid[2];
      for (let gw = 0; gw < grid[2]; gw++) row.fill(kept[cell + gw], gw * fw, (gw + 1) * fw);
      for (let d = gd * fd; d < (gd + 1) * fd; d++) {
        for (let h = gh * fh; h < (gh + 1) * fh; h++) expanded.set(row, (d * height + h) * width);
      }
    }
  }
  return expanded;
}
