/** Inputs in the block layout for tests. */
import {
  type BlockGrid,
  blocksSpec,
  blockTable,
  blockTableRow,
  cellCount,
} from "../../kernels/ops/blocks/table.ts";
import type { Dims3, TensorSpec } from "../../kernels/spec.ts";
import { type CaseInput, noise } from "./ops.ts";

/** Spec of an activation in the block layout, cut from `[n, channels, ...size]`. */
export function blockInput(n: number, channels: number, size: Dims3, at: BlockGrid): { spec: TensorSpec } {
  return { spec: blocksSpec("test", n, channels, size, at) };
}

/** Which cells of each sample are kept, `[n][G]`: below the capacity, at least one, another number in every sample. */
function randomCells(n: number, at: BlockGrid, seed: number): Uint8Array<ArrayBuffer>[] {
  const cells = cellCount(at.grid);
  return Array.from({ length: n }, (_, sample) => {
    const keys = noise(cells, seed * 1009 + sample);
    const order = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]);
    const kept = new Uint8Array(cells);
    for (const cell of order.slice(0, Math.max(1, Math.min(at.kept, cells) - 1 - sample))) kept[cell] = 1;
    return kept;
  });
}

/** A block table of {@link randomCells}. */
export function tableInput(
  n: number,
  at: BlockGrid,
  seed = 5,
): CaseInput & { data: Int32Array<ArrayBuffer> } {
  const rows = randomCells(n, at, seed).map((kept) => blockTableRow(kept, at));
  const data = new Int32Array(rows.length * rows[0].length);
  rows.forEach((row, i) => data.set(row, i * row.length));
  return { spec: blockTable(n, at), data };
}
