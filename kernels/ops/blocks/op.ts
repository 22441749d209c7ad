/** Between dense maps and kept blocks: cutting blocks out of a map, and putting them back. */
import type { OpDef, TensorSpec } from "../../spec.ts";
import { input, kernel, load, output, store, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, requireSingle, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { tokenGradient } from "../mask/op.ts";
import { keptMask } from "./masks.ts";
import { fromVolume, toVolume, volumeSpec } from "./reference.ts";
import { blockEdgeOf, type BlockGrid, blockGridOf, blocksSpec, cellCount, requireTable } from "./table.ts";

/** Uniforms that place the blocks of a tensor in the map that they are cut from. */
function blockParams(blocks: TensorSpec): Readonly<Record<string, number>> {
  const { grid, kept } = blockGridOf(blocks)!;
  const [e0, e1, e2] = blockEdgeOf(blocks);
  const cells = cellCount(grid);
  return {
    channels: blocks.shape[1],
    kept,
    cells,
    tableRow: 1 + cells + kept,
    e0,
    e1,
    e2,
    d: grid[0] * e0,
    h: grid[1] * e1,
    w: grid[2] * e2,
    gridH: grid[1],
    gridW: grid[2],
  };
}

/**
 * Cuts the kept blocks out of a map.
 *
 * Inputs x `[N, C, D, H, W]` and the block table; output `[N, C, K, e0, e1, e2]`. Blocks beyond a sample's count are not written.
 * @throws {ShapeError} when the size is no multiple of the grid or the table belongs to another one
 */
export const gatherBlocks: OpDef<BlockGrid> = {
  name: "gatherBlocks",
  infer([x, table], at) {
    require(x.layout.kind === "dense", "gatherBlocks", "x is in the block layout, wanted a dense tensor");
    const { n, c, size } = volume("gatherBlocks", "x", x);
    requireTable("gatherBlocks", table, n, at);
    return [blocksSpec("gatherBlocks", n, c, size, at, x.dtype)];
  },
  cost: (_, outputs) => streamCost(outputs, outputs, 0),
  lower({ inputs: [x], outputs: [y], device }) {
    const [n, c, kept, e0, e1] = y.shape;
    const rows = n * c * kept * e0 * e1;
    const [from, to] = [input(0, "x", x), output(0, "y", y)];
    return {
      variant: "rows",
      scratch: [],
      kernels: [kernel({
        label: `gatherBlocks ${shapeText(x)}`,
        device,
        bindings: [from, input(1, "table", "i32"), to],
        params: { rows, ...blockParams(y) },
        groups: Math.ceil(rows / WORKGROUP),
        body: `
if (tid >= p.rows) { return; }
let row = tid % p.e1; let slice = tid / p.e1 % p.e0; let k = tid / (p.e1 * p.e0) % p.kept;
let plane = tid / (p.e1 * p.e0 * p.kept);
let entry = plane / p.channels * p.tableRow;
if (k >= u32(table[entry])) { return; }
let cell = u32(table[entry + 1u + p.cells + k]);
let atZ = cell / (p.gridH * p.gridW) * p.e0 + slice;
let atY = cell / p.gridW % p.gridH * p.e1 + row;
let start = ((plane * p.d + atZ) * p.h + atY) * p.w + cell % p.gridW * p.e2;
for (var i = 0u; i < p.e2; i++) { ${store(to, "tid * p.e2 + i", load(from, "start + i"))} }`,
      })],
    };
  },
  gradient: ({ inputs: [, table], gradients: [dy], apply }) => [
    apply(scatterBlocks, [dy!, table], { token: false })[0],
    null,
  ],
  reference: ({ inputs: [x, table], outputSpecs: [spec] }) => [fromVolume(spec, x, table)],
};

/** Attributes of {@link scatterBlocks}. */
export interface ScatterBlocksAttrs {
  /** Whether hidden voxels take a token; otherwise they are 0. */
  readonly token: boolean;
}

/**
 * Puts kept blocks back into a map whose other voxels are 0 or the channel's token.
 *
 * Inputs x `[N, C, K, e0, e1, e2]`, with `token` a token `[1, C, 1, 1, 1]`, and the block table; output `[N, C, D, H, W]`.
 * @throws {ShapeError} when x is dense or the tensors do not belong together
 * Source: densification of SparK (arXiv:2301.03580).
 */
export const scatterBlocks: OpDef<ScatterBlocksAttrs> = {
  name: "scatterBlocks",
  infer(inputs, { token }) {
    const [x] = inputs;
    const at = blockGridOf(x);
    require(at !== null, "scatterBlocks", "x is dense, wanted the block layout");
    if (token) {
      const wanted = [1, x.shape[1], 1, 1, 1];
      const fits = sameShape(inputs[1].shape, wanted);
      requireSingle("scatterBlocks", "token", inputs[1]);
      require(fits, "scatterBlocks", `token has shape [${inputs[1].shape}], wanted [${wanted}]`);
    }
    requireTable("scatterBlocks", inputs[token ? 2 : 1], x.shape[0], at);
    return [volumeSpec(x)];
  },
  cost: (_, outputs) => streamCost(outputs, outputs, 0),
  lower({ inputs: [x], outputs: [y], attrs: { token }, device }) {
    const runs = count([y]) / blockEdgeOf(x)[2];
    const [from, to] = [input(0, "x", x), output(0, "y", y)];
    return {
      variant: token ? "rows, token" : "rows, zero",
      scratch: [],
      kernels: [kernel({
        label: `scatterBlocks ${shapeText(y)}`,
        device,
        bindings: [
          from,
          ...(token ? [input(1, "token")] : []),
          input(token ? 2 : 1, "table", "i32"),
          to,
        ],
        params: { runs, ...blockParams(x) },
        groups: Math.ceil(runs / WORKGROUP),
        body: `
if (tid >= p.runs) { return; }
let cellX = tid % p.gridW; let atY = tid / p.gridW % p.h; let atZ = tid / (p.gridW * p.h) % p.d;
let plane = tid / (p.gridW * p.h * p.d);
let cell = (atZ / p.e0 * p.gridH + atY / p.e1) * p.gridW + cellX;
let k = table[plane / p.channels * p.tableRow + 1u + cell];
if (k >= 0) {
  let start = (((plane * p.kept + u32(k)) * p.e0 + atZ % p.e0) * p.e1 + atY % p.e1) * p.e2;
  for (var i = 0u; i < p.e2; i++) { ${store(to, "tid * p.e2 + i", load(from, "start + i"))} }
} else {
  for (var i = 0u; i < p.e2; i++) { ${
          store(to, "tid * p.e2 + i", token ? "token[plane % p.channels]" : "0.0")
        } }
}`,
      })],
    };
  },
  gradient({ inputs, gradients: [dy], needed, attrs, apply }) {
    const at = blockGridOf(inputs[0].spec)!;
    const table = inputs[attrs.token ? 2 : 1];
    const dx = needed[0] ? apply(gatherBlocks, [dy!, table], at)[0] : null;
    if (!attrs.token) return [dx, null];
    const size = volume("scatterBlocks", "y", dy!.spec).size;
    const dtoken = needed[1]
      ? apply(tokenGradient, [dy!, apply(keptMask, [table], { ...at, size })[0]], {})[0]
      : null;
    return [dx, dtoken, null];
  },
  reference({ inputs, inputSpecs: [spec], attrs: { token } }) {
    return [toVolume(spec, inputs[0], inputs[token ? 2 : 1], token ? inputs[1] : undefined)];
  },
};
