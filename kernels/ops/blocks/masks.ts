/** Voxel masks made from a block table. */
import { type Dims3, type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { count, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { keptVoxels } from "./reference.ts";
import { type BlockGrid, blocksSpec, cellCount, requireTable } from "./table.ts";

/** Attributes of {@link keptMask} and {@link hiddenMask}: the table's grid, and the size of the mask. */
export interface BlockMaskAttrs extends BlockGrid {
  readonly size: Dims3;
}

/** The mask operation that gives `kept` to voxels of kept blocks and `1 - kept` to the others. */
function maskOp(name: string, kept: 0 | 1): OpDef<BlockMaskAttrs> {
  return {
    name,
    infer([table], attrs) {
      const n = table.shape[0];
      requireTable(name, table, n, attrs);
      blocksSpec(name, n, 1, attrs.size, attrs);
      return [tensor([n, 1, ...attrs.size])];
    },
    cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
    lower({ outputs: [m], attrs: { grid, kept: room, size }, device }) {
      const [e0, e1, e2] = size.map((extent, axis) => extent / grid[axis]);
      const runs = count([m]) / e2;
      return {
        variant: "rows",
        scratch: [],
        kernels: [kernel({
          label: `${name} ${shapeText(m)}`,
          device,
          bindings: [input(0, "table", "i32"), output(0, "m")],
          params: {
            runs,
            e0,
            e1,
            e2,
            d: size[0],
            h: size[1],
            gridH: grid[1],
            gridW: grid[2],
            tableRow: 1 + cellCount(grid) + room,
          },
          groups: Math.ceil(runs / WORKGROUP),
          body: `
if (tid >= p.runs) { return; }
let cellX = tid % p.gridW; let atY = tid / p.gridW % p.h; let atZ = tid / (p.gridW * p.h) % p.d;
let n = tid / (p.gridW * p.h * p.d);
let cell = (atZ / p.e0 * p.gridH + atY / p.e1) * p.gridW + cellX;
let value = select(${1 - kept}.0, ${kept}.0, table[n * p.tableRow + 1u + cell] >= 0);
for (var i = 0u; i < p.e2; i++) { m[tid * p.e2 + i] = value; }`,
        })],
      };
    },
    reference({ inputs: [table], inputSpecs: [spec], attrs }) {
      const visible = keptVoxels(blocksSpec(name, spec.shape[0], 1, attrs.size, attrs), table);
      return [kept === 1 ? visible : visible.map((v) => 1 - v)];
    },
  };
}

/**
 * `m = 1` in kept blocks, 0 elsewhere. Input: the block table; output `[N, 1, ...size]`. No gradient: masks are data.
 * @throws {ShapeError} when `size` is no multiple of the grid or the table belongs to another one
 */
export const keptMask: OpDef<BlockMaskAttrs> = maskOp("keptMask", 1);

/** `m = 1` in hidden blocks, 0 in kept ones; otherwise as {@link keptMask}. */
export const hiddenMask: OpDef<BlockMaskAttrs> = maskOp("hiddenMask", 0);
