/** Shapes, layouts and costs that the convolution operations share. */
import { type Cost, type Dims3, tensor, type TensorSpec } from "../../spec.ts";
import { input, type KernelDraft } from "../../wgsl/module.ts";
import { toVolume } from "../blocks/reference.ts";
import { type BlockGrid, blockGridOf, blocksSpec, requireTable } from "../blocks/table.ts";
import { require, sameShape, streamCost, volume } from "../check.ts";
import type { GatherSource } from "./gather.wgsl.ts";
import { type ConvAttrs, volumeOf } from "./geometry.ts";
import { placementOf, storedVoxels } from "./placement.ts";
import type { ConvSizes } from "./reference.ts";

/** Label of a kernel: `conv3d 32->64 k333 s222 80x80x80`, and the layout where it is not dense. */
export function convLabel(
  op: string,
  from: number,
  to: number,
  attrs: ConvAttrs,
  output: TensorSpec,
): string {
  const { size } = volume(op, "output", output);
  const layout = output.layout.kind === "blocks" ? " blocks" : "";
  return `${op} ${from}->${to} k${attrs.kernel.join("")} s${attrs.stride.join("")} ${
    size.join("x")
  }${layout}`;
}

/** Spec of an activation, dense or in blocks. */
export function activation(
  op: string,
  n: number,
  channels: number,
  size: Dims3,
  to: "dense" | BlockGrid,
  dtype: TensorSpec["dtype"],
): TensorSpec {
  return to === "dense"
    ? tensor([n, channels, ...size], dtype)
    : blocksSpec(op, n, channels, size, to, dtype);
}

/**
 * Requires what operations on blocks need: the table, one grid, kernels that reach no further than the next block.
 * @throws {ShapeError}
 */
export function checkLayouts(
  op: string,
  activations: readonly TensorSpec[],
  table: TensorSpec | undefined,
  attrs: ConvAttrs,
): void {
  const grids = activations.map(blockGridOf).filter((g): g is BlockGrid => g !== null);
  require(
    grids.length === 0 || table !== undefined,
    op,
    `found tensors in the block layout without a block table: set attribute table and pass it as the last input`,
  );
  if (grids.length === 0) return;
  requireTable(op, table, activations[0].shape[0], grids[0]);
  require(
    grids.every((g) => sameShape(g.grid, grids[0].grid) && g.kept === grids[0].kept),
    op,
    `tensors are cut from different grids or have different capacities`,
  );
  require(
    attrs.kernel.every((k) => k <= 3),
    op,
    `kernel is ${attrs.kernel.join("x")}, wanted at most 3 per axis in the block layout`,
  );
}

/** Arithmetic of a convolution: what the stored voxels of both sides take part in. */
export function convCost(
  x: readonly { readonly spec: TensorSpec; readonly channels: number }[],
  y: TensorSpec,
  outChannels: number,
  attrs: ConvAttrs,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): Cost {
  const out = placementOf(y);
  const macs = x.reduce((sum, { spec, channels }) => {
    const placement = placementOf(spec);
    const share = out.blocks ? 1 : storedVoxels(placement) / volumeOf(placement.size);
    return sum + y.shape[0] * outChannels * channels * volumeOf(attrs.kernel) * storedVoxels(out) * share;
  }, 0);
  return streamCost(inputs, outputs, 2 * macs);
}

/** Input tensors as sources of a gather. */
export function gatherSources(specs: readonly TensorSpec[]): readonly GatherSource[] {
  return specs.map((spec, i) => ({
    binding: input(i, `x${i}`),
    channels: spec.shape[1],
    placement: placementOf(spec),
    dtype: spec.dtype,
  }));
}

/** Binding of the block table, input `index`; null without one. */
export function tableBinding(
  present: boolean | undefined,
  index: number,
): KernelDraft["bindings"][number] | null {
  return present ? input(index, "blockTable", "i32") : null;
}

/** Sizes for the references. */
export function convSizes(x: TensorSpec, y: TensorSpec, inChannels: number): ConvSizes {
  return {
    n: x.shape[0],
    inChannels,
    outChannels: y.shape[1],
    inSize: volume("conv3d", "x", x).size,
    outSize: volume("conv3d", "y", y).size,
  };
}

/** Volumes of several activations, joined along channels. */
export function concatenateVolumes(
  parts: readonly Float64Array[],
  specs: readonly TensorSpec[],
  table: Float64Array | undefined,
): Float64Array {
  const volumes = parts.map((part, i) => toVolume(specs[i], part, table));
  if (volumes.length === 1) return volumes[0];
  const n = specs[0].shape[0];
  const lengths = volumes.map((p) => p.length / n);
  const joined = new Float64Array(volumes.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (let sample = 0; sample < n; sample++) {
    volumes.forEach((part, i) => {
      joined.set(part.subarray(sample * lengths[i], (sample + 1) * lengths[i]), at);
      at += lengths[i];
    });
  }
  return joined;
}
