/** Windows of pooling with kernel = stride: shapes, loops and the kernel that walks along rows. */
import { type DeviceFacts, type Dims3, type KernelSpec, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import { blockEdgeOf, type BlockGrid, blockGridOf, blocksSpec, cellCount } from "../blocks/table.ts";
import { require, requireFloat, volume } from "../check.ts";
import { dims } from "../conv3d/geometry.ts";

/** Kernel and stride per axis. */
export interface PoolAttrs {
  readonly stride: Dims3;
}

/** Attributes of the gradients: the size of the pooled input, and the blocks that it is stored in. */
export interface PoolGradientAttrs extends PoolAttrs {
  readonly size: Dims3;
  readonly blocks?: BlockGrid;
}

/** Spec of a pooled tensor. @throws {ShapeError} when stride, size or blocks do not fit */
export function pooled(op: string, x: TensorSpec, { stride }: PoolAttrs): TensorSpec {
  const { n, c, size } = volume(op, "x", x);
  require(
    stride.every((s) => s === 1 || s === 2),
    op,
    `stride is ${stride.join("x")}, wanted 1 or 2 per axis`,
  );
  require(
    size.every((extent, a) => extent >= stride[a]),
    op,
    `size ${size.join("x")} is smaller than the window ${stride.join("x")}`,
  );
  const coarse = dims((a) => Math.floor(size[a] / stride[a]));
  const at = blockGridOf(x);
  requireFloat(op, "x", x);
  if (!at) return tensor([n, c, ...coarse], x.dtype);
  const edge = blockEdgeOf(x);
  if (edge.every((e, a) => e % stride[a] === 0)) return blocksSpec(op, n, c, coarse, at, x.dtype);
  require(
    edge.every((e, a) => e === 1 && stride[a] === 2),
    op,
    `blocks of edge ${edge.join("x")} cannot be pooled by ${
      stride.join("x")
    }: choose patch and block so that every level is ` +
      "a multiple of the mask grid or coarser in all axes",
  );
  return tensor([n, c, ...coarse], x.dtype);
}

/** Attributes of the gradient of a pooling of x. */
export function gradientAttrs(attrs: PoolAttrs, x: TensorSpec): PoolGradientAttrs {
  const blocks = blockGridOf(x);
  return { ...attrs, size: volume("pool", "x", x).size, ...(blocks ? { blocks } : {}) };
}

/** Spec of the pooled input that a gradient has. */
export function fineSpec(op: string, dy: TensorSpec, { size, blocks }: PoolGradientAttrs): TensorSpec {
  const [n, c] = dy.shape;
  return blocks ? blocksSpec(op, n, c, size, blocks, dy.dtype) : tensor([n, c, ...size], dy.dtype);
}

/** Rows along the last axis: maps of which tensor, their number and size, and which of them a sample's block table counts. */
export function rowsOf(spec: TensorSpec) {
  const [d, h, w] = spec.shape.slice(-3);
  const at = blockGridOf(spec);
  const maps = spec.shape.slice(0, -3).reduce((a, b) => a * b, 1);
  return {
    size: [d, h, w] as Dims3,
    rows: maps * d * h,
    params:
      (at
        ? { channels: spec.shape[1], kept: at.kept, tableRow: 1 + cellCount(at.grid) + at.kept }
        : {}) as Readonly<Record<string, number>>,
    /** Ends threads whose block, `plane`, is not in use. */
    skip: at ? "if (plane % p.kept >= u32(table[plane / p.kept / p.channels * p.tableRow])) { return; }" : "",
  };
}

/** Calls `visit` for every window with the flat output index and the flat indices of its inputs. */
export function forEachWindow(
  planes: number,
  inSize: Dims3,
  stride: Dims3,
  visit: (out: number, inputs: number[]) => void,
): void {
  const outSize = dims((a) => Math.floor(inSize[a] / stride[a]));
  let out = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let z = 0; z < outSize[0]; z++) {
      for (let y = 0; y < outSize[1]; y++) {
        for (let x = 0; x < outSize[2]; x++) {
          const inputs: number[] = [];
          for (let i = 0; i < stride[0]; i++) {
            for (let j = 0; j < stride[1]; j++) {
              for (let k = 0; k < stride[2]; k++) {
                const row = (plane * inSize[0] + z * stride[0] + i) * inSize[1] + y * stride[1] + j;
                inputs.push(row * inSize[2] + x * stride[2] + k);
              }
            }
          }
          visit(out++, inputs);
        }
      }
    }
  }
}

/** One thread handles a row of the coarse tensor; `each` sees `o` (coarse index) and `at` (first fine index of the window). */
export function rowKernel(
  label: string,
  device: DeviceFacts,
  coarse: TensorSpec,
  fine: TensorSpec,
  attrs: PoolAttrs,
  bindings: KernelDraft["bindings"],
  each: string,
): KernelSpec {
  const { size: [d, h, w], rows, params, skip } = rowsOf(coarse);
  const [inD, inH, inW] = fine.shape.slice(-3);
  return kernel({
    label,
    device,
    bindings: [...bindings, ...(skip ? [input(1, "table", "i32")] : [])],
    params: { rows, outD: d, outH: h, outW: w, inD, inH, inW, ...params },
    groups: Math.ceil(rows / WORKGROUP),
    body: `
if (tid >= p.rows) { return; }
let y = tid % p.outH; let z = (tid / p.outH) % p.outD; let plane = tid / (p.outH * p.outD);
${skip}
let start = ((plane * p.inD + z * ${attrs.stride[0]}u) * p.inH + y * ${attrs.stride[1]}u) * p.inW;
for (var column = 0u; column < p.outW; column++) {
  let o = tid * p.outW + column;
  let at = start + column * ${attrs.stride[2]}u;
  ${each}
}`,
  });
}

/** WGSL offsets of the window's voxels from its first. */
export function windowOffsets({ stride }: PoolAttrs): string[] {
  const offsets: string[] = [];
  for (let i = 0; i < stride[0]; i++) {
    for (let j = 0; j < stride[1]; j++) {
      for (let k = 0; k < stride[2]; k++) offsets.push(`(${i}u * p.inH + ${j}u) * p.inW + ${k}u`);
    }
  }
  return offsets;
}
