/** Transposed 3D convolution with kernel = stride in {1, 2} per axis, and its gradients. */
import { type Dims3, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, output } from "../../wgsl/module.ts";
import { zeroBiasGradient } from "../bias.ts";
import { count, require, sameShape, streamCost, volume } from "../check.ts";
import { storeOf } from "../accumulation.ts";
import { channelTotals } from "../conv3d/bias_gradient.ts";
import { type ConvGeometry, dims, volumeOf } from "../conv3d/geometry.ts";
import { lowerGather } from "../conv3d/lower.ts";
import { gatherSources } from "../conv3d/operands.ts";
import { placementOf } from "../conv3d/placement.ts";
import {
  convBiasGradient,
  convForward,
  convInputGradient,
  type ConvSizes,
  convWeightGradient,
} from "../conv3d/reference.ts";
import { lowerWeightGradient } from "../conv3d/weight_gradient.ts";
import { shapeText } from "../elementwise.ts";

/** Kernel and stride per axis, 1 or 2. */
export interface ConvTranspose3dAttrs {
  readonly stride: Dims3;
  readonly bias: boolean;
}

function geometry(stride: Dims3): ConvGeometry {
  return { kernel: stride, stride, padding: [0, 0, 0] };
}

function sizes(coarse: TensorSpec, fine: TensorSpec): ConvSizes {
  return {
    n: coarse.shape[0],
    inChannels: fine.shape[1],
    outChannels: coarse.shape[1],
    inSize: fine.shape.slice(2) as unknown as Dims3,
    outSize: coarse.shape.slice(2) as unknown as Dims3,
  };
}

function macs(coarse: TensorSpec, fine: TensorSpec): number {
  return coarse.shape[1] * count([fine]);
}

/**
 * `y[n,o, s p + r] = b[o] + sum_c x[n,c,p] w[c,o,r]`, r in kernel.
 *
 * Inputs `[x, w, b?]`: x `[N, C, D, H, W]`, w `[C, O, sd, sh, sw]` (PyTorch order), b `[O]`; output `[N, O, sd D, sh H, sw W]`.
 * @throws {ShapeError} for strides other than 1 and 2 or tensors that do not fit
 * Source: torch.nn.functional.conv_transpose3d without padding.
 */
export const convTranspose3d: OpDef<ConvTranspose3dAttrs> = {
  name: "convTranspose3d",
  infer(inputs, attrs) {
    const op = "convTranspose3d";
    require(
      attrs.stride.every((s) => s === 1 || s === 2),
      op,
      `stride is ${attrs.stride.join("x")}, wanted 1 or 2 per axis`,
    );
    const x = volume(op, "x", inputs[0]);
    const w = inputs[1];
    require(
      w.shape.length === 5 && w.shape[0] === x.c && sameShape(w.shape.slice(2), attrs.stride),
      op,
      `weight has shape [${w.shape}], wanted [${x.c}, O, ${attrs.stride.join(", ")}]`,
    );
    if (attrs.bias) {
      require(
        sameShape(inputs[2].shape, [w.shape[1]]),
        op,
        `bias has shape [${inputs[2].shape}], wanted [${w.shape[1]}]`,
      );
    }
    return [tensor([x.n, w.shape[1], ...dims((a) => x.size[a] * attrs.stride[a])], inputs[0].dtype)];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * macs(inputs[0], outputs[0])),
  lower({ inputs: [x, w], outputs: [y], attrs, device }) {
    const s = sizes(x, y);
    return lowerGather({
      label: `convTranspose3d ${s.outChannels}->${s.inChannels} s${attrs.stride.join("")} ${
        s.inSize.join("x")
      }`,
      device,
      direction: "transposed",
      geometry: geometry(attrs.stride),
      n: s.n,
      sources: gatherSources([x]),
      outChannels: s.inChannels,
      outPlacement: placementOf(y),
      outType: y.dtype,
      table: null,
    }, {
      spec: w,
      binding: input(1, "w"),
      bias: attrs.bias ? input(2, "bias") : null,
      by: "output",
    });
  },
  gradient({ inputs: [x, w], gradients: [dy], needed, attrs, apply }) {
    const dx = needed[0] ? apply(convTranspose3dInputGradient, [dy!, w], attrs)[0] : null;
    const dw = needed[1] ? apply(convTranspose3dWeightGradient, [x, dy!], attrs)[0] : null;
    if (!attrs.bias) return [dx, dw];
    const db = () => zeroBiasGradient(dy!, w.spec.shape[1], apply) ?? apply(channelSum, [dy!], {})[0];
    return [dx, dw, needed[2] ? db() : null];
  },
  reference({ inputs: [x, w, b], inputSpecs, outputSpecs: [y], attrs }) {
    const s = sizes(inputSpecs[0], y);
    const result = convInputGradient(x, w, s, geometry(attrs.stride));
    const voxels = volumeOf(s.inSize);
    return [attrs.bias ? result.map((v, i) => v + b[Math.floor(i / voxels) % s.inChannels]) : result];
  },
};

/** `dx` of {@link convTranspose3d}: a strided convolution. Inputs `[dy, w]`; output `[N, C, D, H, W]`. */
export const convTranspose3dInputGradient: OpDef<ConvTranspose3dAttrs> = {
  name: "convTranspose3dInputGradient",
  accumulates: [0],
  infer([dy, w], attrs) {
    const { n, size } = volume("convTranspose3dInputGradient", "dy", dy);
    return [tensor([n, w.shape[0], ...dims((a) => size[a] / attrs.stride[a])], dy.dtype)];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * macs(outputs[0], inputs[0])),
  lower({ inputs: [dy, w], outputs: [dx], attrs, device, accumulate: [accumulation] }) {
    const s = sizes(dx, dy);
    return lowerGather(
      {
        label: `convTranspose3d.dx ${s.inChannels}->${s.outChannels} s${attrs.stride.join("")} ${
          s.outSize.join("x")
        }`,
        device,
        direction: "forward",
        geometry: geometry(attrs.stride),
        n: s.n,
        sources: gatherSources([dy]),
        outChannels: s.outChannels,
        outPlacement: placementOf(dx),
        outType: dx.dtype,
        table: null,
      },
      { spec: w, binding: input(1, "w"), by: "input" },
      accumulation,
    );
  },
  reference({ inputs: [dy, w], inputSpecs, outputSpecs: [dx], attrs }) {
    return [convForward(dy, w, undefined, sizes(dx, inputSpecs[0]), geometry(attrs.stride))];
  },
};

/** `dw` of {@link convTranspose3d}. Inputs `[x, dy]`; output `[C, O, sd, sh, sw]`. */
export const convTranspose3dWeightGradient: OpDef<ConvTranspose3dAttrs> = {
  name: "convTranspose3dWeightGradient",
  accumulates: [0],
  infer: ([x, dy], attrs) => [tensor([x.shape[1], dy.shape[1], ...attrs.stride])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * macs(inputs[0], inputs[1])),
  lower(request) {
    const { inputs: [x, dy], attrs, device } = request;
    const s = sizes(x, dy);
    return lowerWeightGradient({
      label: `convTranspose3d.dw ${s.outChannels}->${s.inChannels} s${attrs.stride.join("")} ${
        s.inSize.join("x")
      }`,
      device,
      geometry: geometry(attrs.stride),
      sources: [{ binding: input(1, "source"), spec: dy }],
      dy: { binding: input(0, "dy"), spec: x },
      table: null,
      bias: false,
      stores: [storeOf(request, 0), storeOf(request, 1)],
    });
  },
  reference({ inputs: [x, dy], inputSpecs, attrs }) {
    return [convWeightGradient(dy, x, sizes(inputSpecs[0], inputSpecs[1]), geometry(attrs.stride))];
  },
};

/** `s[c] = sum_{n,p} x[n,c,p]`: the gradient of a bias. Input `[N, C, D, H, W]`, f32 or f16; output `[C]` of f32. */
export const channelSum: OpDef<Record<string, never>> = {
  name: "channelSum",
  accumulates: [0],
  infer: ([x]) => [tensor([volume("channelSum", "x", x).c])],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(inputs)),
  lower(request) {
    const { inputs: [x], device } = request;
    const { kernels, scratch } = channelTotals({
      label: `channelSum ${shapeText(x)}`,
      device,
      spec: x,
      partial: 0,
      source: input(0, "x"),
      target: output(0, "y"),
      store: storeOf(request, 0),
    });
    return { variant: "two stages", scratch: [scratch], kernels };
  },
  reference({ inputs: [x], inputSpecs: [spec] }) {
    const { n, c, voxels } = volume("channelSum", "x", spec);
    return [convBiasGradient(x, n, c, voxels)];
  },
};
