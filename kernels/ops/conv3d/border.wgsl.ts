// Kept blocks with a border: each block together with the voxels around it, so that a convolution needs no look-ups.
//   y[n,c,k, p] = x at voxel (first voxel of kept block k) + p - pad, 0 where that is hidden or outside
// Layout   x: blocks [N, C, K, e0, e1, e2]; y: [N, C, K, b0, b1, b2], f32; blocks beyond a sample's count are not written
// Work     1 thread = 1 row (b2 voxels) of CHANNELS channels: a row's look-ups serve all of them
// Limits   3 storage bindings      Siblings weight_gradient.wgsl.ts      Reference: index arithmetic
import type { DeviceFacts, Dims3, KernelSpec, TensorSpec } from "../../spec.ts";
import { kernel, type KernelDraft, load, storageType, WORKGROUP } from "../../wgsl/module.ts";
import { blockEdgeOf, blockGridOf } from "../blocks/table.ts";
import { volumeOf } from "./geometry.ts";

/** A copy of blocks with a border. */
export interface BorderDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly source: KernelDraft["bindings"][number];
  readonly spec: TensorSpec;
  /** Voxels of a block with its border, per axis, and of the border before it. */
  readonly extent: Dims3;
  readonly padding: Dims3;
  readonly table: KernelDraft["bindings"][number];
  readonly target: KernelDraft["bindings"][number];
}

/** Channels of a thread. */
const CHANNELS = 8;

/** Text and grid of the copy. */
export function borderKernel(draft: BorderDraft): KernelSpec {
  const { spec, extent, padding } = draft;
  const { grid, kept } = blockGridOf(spec)!;
  const edge = blockEdgeOf(spec);
  const [n, channels] = spec.shape;
  const rows = kept * extent[0] * extent[1];
  const channelGroups = Math.ceil(channels / CHANNELS);
  const source = { ...draft.source, name: "x", type: storageType(spec.dtype) };
  const numbers = {
    rows,
    channels,
    channelGroups,
    kept,
    e0: edge[0],
    e1: edge[1],
    e2: edge[2],
    b0: extent[0],
    b1: extent[1],
    b2: extent[2],
    pad0: padding[0],
    pad1: padding[1],
    pad2: padding[2],
    gridD: grid[0],
    gridH: grid[1],
    gridW: grid[2],
    cells: volumeOf(grid),
    tableLength: 1 + volumeOf(grid) + kept,
    n,
  };
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [source, draft.table, { ...draft.target, name: "y", type: "f32" }],
    params: Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, { i32: value }])),
    groups: Math.ceil(n * channelGroups * rows / WORKGROUP),
    declarations: `
/** First element of the kept block at a cell, -1 where there is none. */
fn blockAt(table: i32, z: i32, y: i32, x: i32) -> i32 {
  let inside = (z >= 0) & (z < p.gridD) & (y >= 0) & (y < p.gridH) & (x >= 0) & (x < p.gridW);
  let block = blockTable[u32(table + 1 + select(0, (z * p.gridH + y) * p.gridW + x, inside))];
  return select(-1, block, inside);
}`,
    body: `
let row = i32(tid) % p.rows; let rest = i32(tid) / p.rows;
let c0 = (rest % p.channelGroups) * ${CHANNELS}; let n = rest / p.channelGroups;
if (n >= p.n) { return; }
let table = n * p.tableLength;
let plane = row / p.b1; let block = plane / p.b0;
if (block >= blockTable[u32(table)]) { return; }
let cell = blockTable[u32(table + 1 + p.cells + block)];
let cellRow = cell / p.gridW; let gridZ = cellRow / p.gridH;
let z = plane - block * p.b0 - p.pad0; let h = row - plane * p.b1 - p.pad1;
let dz = select(select(0, 1, z >= p.e0), -1, z < 0); let dy = select(select(0, 1, h >= p.e1), -1, h < 0);
let cz = gridZ + dz; let cy = cellRow - gridZ * p.gridH + dy; let cx = cell - cellRow * p.gridW;
let inZ = z - dz * p.e0; let inY = h - dy * p.e1;
let inRow = (inZ < p.e0) & (inY < p.e1);
let before = blockAt(table, cz, cy, cx - 1); let own = blockAt(table, cz, cy, cx);
let behind = blockAt(table, cz, cy, cx + 1);
let size = p.e0 * p.e1 * p.e2;
for (var c = c0; c < min(c0 + ${CHANNELS}, p.channels); c++) {
  let kept = (n * p.channels + c) * p.kept;
  let to = ((kept + block) * p.b0 * p.b1 + row - block * p.b0 * p.b1) * p.b2;
  for (var i = 0; i < p.b2; i++) {
    let w = i - p.pad2;
    let dx = select(select(0, 1, w >= p.e2), -1, w < 0);
    let start = select(select(own, behind, w >= p.e2), before, w < 0);
    let inX = w - dx * p.e2;
    let at = (kept + start) * size + (inZ * p.e1 + inY) * p.e2 + inX;
    y[u32(to + i)] = select(0.0, ${load(source, "u32(at)")}, (start >= 0) & inRow & (inX < p.e2));
  }
}`,
  });
}
