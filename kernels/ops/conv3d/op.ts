/** 3D convolution with "same" padding over dense volumes, kept blocks, or both. */
import type { OpDef, TensorSpec } from "../../spec.ts";
import { input } from "../../wgsl/module.ts";
import { type BlockGrid, blockGridOf } from "../blocks/table.ts";
import { fromVolume } from "../blocks/reference.ts";
import { zeroBiasGradient } from "../bias.ts";
import { require, sameShape, volume } from "../check.ts";
import { type ConvAttrs, outputSize, samePadding } from "./geometry.ts";
import { conv3dInputGradient, conv3dWeightGradient } from "./gradients.ts";
import { lowerGather } from "./lower.ts";
import {
  activation,
  checkLayouts,
  concatenateVolumes,
  convCost,
  convLabel,
  convSizes,
  gatherSources,
  tableBinding,
} from "./operands.ts";
import { placementOf } from "./placement.ts";
import { convForward } from "./reference.ts";

/** Attributes of {@link conv3d}. */
export interface Conv3dAttrs extends ConvAttrs {
  /** How many inputs stand for one concatenated along channels. */
  readonly inputs: 1 | 2 | 3;
  readonly bias: boolean;
  /** Whether the last input is the block table; needed when a tensor is in the block layout. */
  readonly table?: boolean;
  /** Layout of the output; by default that of the first input. */
  readonly to?: "dense" | BlockGrid;
}

/** Where the inputs of {@link conv3d} are, after the sources. */
function inputsAt(attrs: Conv3dAttrs): { w: number; b: number; table: number; count: number } {
  const b = attrs.bias ? attrs.inputs + 1 : -1;
  const count = attrs.inputs + 1 + (attrs.bias ? 1 : 0) + (attrs.table ? 1 : 0);
  return { w: attrs.inputs, b, table: attrs.table ? count - 1 : -1, count };
}

/**
 * `y[n,o,q] = b[o] + sum_{i,k} w[o,i,k] x[n,i, s q + k - (kernel-1)/2]`, zeros outside.
 *
 * Inputs `[x, w, b?, table?]` or, with `inputs` 2 or 3, that many tensors in front, which equals convolving their channel
 * concatenation. x `[N, I, D, H, W]` or blocks `[N, I, K, e0, e1, e2]`, whose hidden voxels count as 0; w `[O, I, kd, kh, kw]`
 * (PyTorch order), b `[O]`; table as in ops/blocks/table.ts. Output `[N, O, ...]`, dense or the kept blocks of it. The gradient
 * of a bias that only an instance norm reads is exactly 0 and takes no kernel.
 * @throws {ShapeError} for even kernels, strides other than 1 and 2, kernels above 3 with blocks, or tensors that do not fit
 * Source: torch.nn.functional.conv3d; on blocks: submanifold sparse convolution with hidden voxels at 0 (SparK).
 */
export const conv3d: OpDef<Conv3dAttrs> = {
  name: "conv3d",
  infer(inputs, attrs) {
    const g = samePadding("conv3d", attrs);
    const at = inputsAt(attrs);
    require(
      inputs.length === at.count,
      "conv3d",
      `found ${inputs.length} tensors, wanted ${attrs.inputs} inputs, a weight${
        attrs.bias ? ", a bias" : ""
      }${attrs.table ? ", a block table" : ""}`,
    );
    const sources = inputs.slice(0, attrs.inputs);
    const parts = sources.map((x) => volume("conv3d", "x", x));
    require(
      parts.every((x) => x.n === parts[0].n && sameShape(x.size, parts[0].size)),
      "conv3d",
      `inputs have shapes ${sources.map((x) => `[${x.shape}]`).join(" and ")}, wanted one batch and size`,
    );
    const channels = parts.reduce((sum, x) => sum + x.c, 0);
    const w = inputs[at.w];
    require(
      w.shape.length === 5 && w.shape[1] === channels && sameShape(w.shape.slice(2), attrs.kernel),
      "conv3d",
      `weight has shape [${w.shape}], wanted [O, ${channels}, ${attrs.kernel.join(", ")}]`,
      w.shape,
    );
    const o = w.shape[0];
    if (attrs.bias) {
      const b = inputs[at.b];
      require(sameShape(b.shape, [o]), "conv3d", `bias has shape [${b.shape}], wanted [${o}]`);
    }
    const to = attrs.to ?? blockGridOf(sources[0]) ?? "dense";
    const y = activation("conv3d", parts[0].n, o, outputSize(parts[0].size, g), to, sources[0].dtype);
    checkLayouts("conv3d", [...sources, y], inputs[at.table], attrs);
    return [y];
  },
  cost(inputs, outputs, attrs) {
    const sources = inputs.slice(0, attrs.inputs).map((spec) => ({ spec, channels: spec.shape[1] }));
    return convCost(sources, outputs[0], outputs[0].shape[1], attrs, inputs, outputs);
  },
  lower({ inputs, outputs: [y], attrs, device }) {
    const at = inputsAt(attrs);
    const w = inputs[at.w];
    return lowerGather({
      label: convLabel("conv3d", w.shape[1], w.shape[0], attrs, y),
      device,
      direction: "forward",
      geometry: samePadding("conv3d", attrs),
      n: y.shape[0],
      sources: gatherSources(inputs.slice(0, attrs.inputs)),
      outChannels: w.shape[0],
      outPlacement: placementOf(y),
      outType: y.dtype,
      table: tableBinding(attrs.table, at.table),
    }, {
      spec: w,
      binding: input(at.w, "w"),
      bias: attrs.bias ? input(at.b, "bias") : null,
      by: "input",
    });
  },
  gradient({ inputs, gradients: [dy], needed, attrs, apply }) {
    const at = inputsAt(attrs);
    const sources = inputs.slice(0, attrs.inputs);
    const table = attrs.table ? [inputs[at.table]] : [];
    const { kernel, stride } = attrs;
    let first = 0;
    const dx = sources.map((x, i) => {
      const start = first;
      first += x.spec.shape[1];
      if (!needed[i]) return null;
      return apply(conv3dInputGradient, [dy!, inputs[at.w], ...table], {
        kernel,
        stride,
        first: start,
        x: x.spec,
        table: attrs.table,
      })[0];
    });
    const zero = attrs.bias ? zeroBiasGradient(dy!, inputs[at.b].spec.shape[0], apply) : null;
    const [dw, db] = needed[at.w] || (attrs.bias && needed[at.b])
      ? apply(conv3dWeightGradient, [...sources, dy!, ...table], { ...attrs, bias: attrs.bias && !zero })
      : [null, null];
    return [...dx, dw, ...(attrs.bias ? [zero ?? db] : []), ...(attrs.table ? [null] : [])];
  },
  reference({ inputs, inputSpecs, outputSpecs: [y], attrs }) {
    const at = inputsAt(attrs);
    const table = inputs[at.table] as Float64Array | undefined;
    const specs: readonly TensorSpec[] = inputSpecs.slice(0, attrs.inputs);
    const x = concatenateVolumes(inputs.slice(0, attrs.inputs), specs, table);
    const dense = convForward(
      x,
      inputs[at.w],
      attrs.bias ? inputs[at.b] : undefined,
      convSizes(specs[0], y, inputSpecs[at.w].shape[1]),
      samePadding("conv3d", attrs),
    );
    return [fromVolume(y, dense, table)];
  },
};
