/** Average pooling with kernel = stride in {1, 2} per axis, no padding, dense or in the block layout, and its gradient. */
import type { DeviceFacts, KernelSpec, OpDef, TensorSpec } from "../../spec.ts";
import { input, kernel, load, output, store, WORKGROUP } from "../../wgsl/module.ts";
import { type Store, storeOf } from "../accumulation.ts";
import { fromVolume, toVolume, volumeSpec } from "../blocks/reference.ts";
import { type BlockGrid, blockGridOf, cellCount, requireTable } from "../blocks/table.ts";
import { count, streamCost, volume } from "../check.ts";
import { volumeOf } from "../conv3d/geometry.ts";
import { shapeText } from "../elementwise.ts";
import {
  fineSpec,
  forEachWindow,
  gradientAttrs,
  type PoolAttrs,
  pooled,
  type PoolGradientAttrs,
  rowKernel,
  rowsOf,
  windowOffsets,
} from "./windows.ts";

/** WGSL that finds cell (`cz`, `cy`, `cx`) of a grid in the table's row of a sample. */
const CELL_OF_TABLE = "table[n * p.tableRow + 1u + (cz * p.gridH + cy) * p.gridW + cx]";

/** Uniforms of a table that is read cell by cell. */
function cellParams({ grid, kept }: BlockGrid) {
  return {
    kept,
    gridH: grid[1],
    gridW: grid[2],
    cells: cellCount(grid),
    tableRow: 1 + cellCount(grid) + kept,
  };
}

/** Mean over 2x2x2 blocks of one voxel each, hidden ones counting as 0: one thread a voxel of the dense result. */
function meanOfBlocks(x: TensorSpec, y: TensorSpec, device: DeviceFacts): KernelSpec {
  const [, c, d, h, w] = y.shape;
  const [values, out] = [input(0, "values", x), output(0, "out", y)];
  const reads: string[] = [];
  for (let i = 0; i < 8; i++) {
    reads.push(
      `{ let cz = z * 2u + ${i >> 2}u; let cy = y * 2u + ${(i >> 1) & 1}u; let cx = x * 2u + ${i & 1}u;
  let k = ${CELL_OF_TABLE}; sum += select(0.0, ${
        load(values, "plane * p.kept + u32(max(k, 0))")
      }, k >= 0); }`,
    );
  }
  return kernel({
    label: `avgPool3d blocks to ${shapeText(y)}`,
    device,
    bindings: [values, out, input(1, "table", "i32")],
    params: { total: count([y]), channels: c, d, h, w, ...cellParams(blockGridOf(x)!) },
    groups: Math.ceil(count([y]) / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
let x = tid % p.w; let y = tid / p.w % p.h; let z = tid / (p.w * p.h) % p.d; let plane = tid / (p.w * p.h * p.d);
let n = plane / p.channels;
var sum = 0.0;
${reads.join("\n")}
${store(out, "tid", "sum * 0.125")}`,
  });
}

/** Gradient of {@link meanOfBlocks}: one thread a kept block. */
function meanOfBlocksGradient(
  dy: TensorSpec,
  dx: TensorSpec,
  blocks: BlockGrid,
  device: DeviceFacts,
  result: Store,
): KernelSpec {
  const [, c, d, h, w] = dy.shape;
  const [from, out] = [input(0, "dy", dy), output(0, "dx", dx)];
  return kernel({
    label: `avgPool3d.dx blocks from ${shapeText(dy)}`,
    device,
    bindings: [from, out, input(1, "table", "i32")],
    params: { total: count([dx]), channels: c, d, h, w, ...cellParams(blocks), ...result.params },
    groups: Math.ceil(count([dx]) / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
let k = tid % p.kept; let plane = tid / p.kept; let row = plane / p.channels * p.tableRow;
if (k >= u32(table[row])) { return; }
let cell = u32(table[row + 1u + p.cells + k]);
let z = cell / (p.gridH * p.gridW) / 2u; let y = cell / p.gridW % p.gridH / 2u; let x = cell % p.gridW / 2u;
let inside = (z < p.d) & (y < p.h) & (x < p.w);
let value = select(0.0, ${load(from, "((plane * p.d + z) * p.h + y) * p.w + x")} * 0.125, inside);
${result.into(out, "tid", "value")}`,
  });
}

/**
 * Mean over windows; windows that do not fit whole are dropped.
 *
 * Input `[x]`, x `[N, C, D, H, W]`, f32 or f16; output `[N, C, floor(D/s), ...]`. In the block layout inputs are `[x, table]`;
 * the output is in blocks of edge e/s, or, from blocks of one voxel to the level coarser than the mask, dense (hidden voxels
 * count as 0).
 * @throws {ShapeError} for strides other than 1 and 2, maps smaller than a window, or blocks that windows would straddle
 * Source: torch.nn.functional.avg_pool3d.
 */
export const avgPool3d: OpDef<PoolAttrs> = {
  name: "avgPool3d",
  infer([x, table], attrs) {
    const at = blockGridOf(x);
    if (at) requireTable("avgPool3d", table, x.shape[0], at);
    return [pooled("avgPool3d", x, attrs)];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower({ inputs: [x], outputs: [y], attrs, device }) {
    if (x.layout.kind !== y.layout.kind) {
      return { variant: "blocks to dense", scratch: [], kernels: [meanOfBlocks(x, y, device)] };
    }
    const offsets = windowOffsets(attrs);
    const [from, to] = [input(0, "x", x), output(0, "out", y)];
    const sum = offsets.map((f) => load(from, `at + ${f}`)).join(" + ");
    const each = store(to, "o", `(${sum}) * ${1 / offsets.length}`);
    return {
      variant: "rows",
      scratch: [],
      kernels: [rowKernel(`avgPool3d ${shapeText(y)}`, device, y, x, attrs, [from, to], each)],
    };
  },
  gradient: ({ inputs: [x, ...table], gradients: [dy], attrs, apply }) => [
    apply(avgPool3dGradient, [dy!, ...table], gradientAttrs(attrs, x.spec))[0],
    ...table.map(() => null),
  ],
  reference({ inputs: [x, table], inputSpecs: [spec], outputSpecs: [out], attrs }) {
    const { n, c, size } = volume("avgPool3d", "x", spec);
    const dense = toVolume(spec, x, table);
    const y = new Float64Array(count([volumeSpec(out)]));
    forEachWindow(n * c, size, attrs.stride, (o, inputs) => {
      y[o] = inputs.reduce((sum, i) => sum + dense[i], 0) / inputs.length;
    });
    return [fromVolume(out, y, table)];
  },
};

/**
 * `dx` of {@link avgPool3d}: every window's gradient spread evenly.
 * Inputs `[dy]` or, in the block layout, `[dy, table]`; output like x.
 */
export const avgPool3dGradient: OpDef<PoolGradientAttrs> = {
  name: "avgPool3dGradient",
  accumulates: [0],
  infer([dy, table], attrs) {
    if (attrs.blocks) requireTable("avgPool3dGradient", table, dy.shape[0], attrs.blocks);
    return [fineSpec("avgPool3dGradient", dy, attrs)];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower(request) {
    const { inputs: [dy], outputs: [dx], attrs, device } = request;
    const result = storeOf(request, 0);
    const [from, out] = [input(0, "dy", dy), output(0, "dx", dx)];
    if (dx.layout.kind !== dy.layout.kind) {
      const kernels = [meanOfBlocksGradient(dy, dx, attrs.blocks!, device, result)];
      return { variant: "dense to blocks", scratch: [], kernels };
    }
    const { size: [d, h, w], rows, params, skip } = rowsOf(dx);
    const [outD, outH, outW] = dy.shape.slice(-3);
    const { stride } = attrs;
    return {
      variant: "rows",
      scratch: [],
      kernels: [kernel({
        label: `avgPool3d.dx ${shapeText(dx)}`,
        device,
        bindings: [from, out, ...(skip ? [input(1, "table", "i32")] : [])],
        params: { rows, inD: d, inH: h, inW: w, outD, outH, outW, ...params, ...result.params },
        groups: Math.ceil(rows / WORKGROUP),
        body: `
if (tid >= p.rows) { return; }
let y = (tid % p.inH) / ${stride[1]}u; let z = ((tid / p.inH) % p.inD) / ${
          stride[0]
        }u; let plane = tid / (p.inH * p.inD);
${skip}
let start = ((plane * p.outD + z) * p.outH + y) * p.outW;
let inside = y < p.outH && z < p.outD;
for (var column = 0u; column < p.inW; column++) {
  let x = column / ${stride[2]}u;
  let value = select(0.0, ${load(from, "start + x")} * ${1 / volumeOf(stride)}, inside && x < p.outW);
  ${result.into(out, "tid * p.inW + column", "value")}
}`,
      })],
    };
  },
  reference({ inputs: [dy, table], inputSpecs: [dySpec], outputSpecs: [spec], attrs }) {
    const coarse = toVolume(dySpec, dy, table);
    const dx = new Float64Array(count([volumeSpec(spec)]));
    forEachWindow(spec.shape[0] * spec.shape[1], attrs.size, attrs.stride, (o, inputs) => {
      for (const i of inputs) dx[i] += coarse[o] / inputs.length;
    });
    return [fromVolume(spec, dx, table)];
  },
};
