/** Gradients of conv3d with respect to an input, and to weight and bias. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input } from "../../wgsl/module.ts";
import { storeOf } from "../accumulation.ts";
import { fromVolume, toVolume } from "../blocks/reference.ts";
import { require, sameShape, volume } from "../check.ts";
import { type ConvAttrs, outputSize, samePadding, volumeOf } from "./geometry.ts";
import { lowerGather } from "./lower.ts";
import {
  checkLayouts,
  concatenateVolumes,
  convCost,
  convLabel,
  convSizes,
  gatherSources,
  tableBinding,
} from "./operands.ts";
import { placementOf } from "./placement.ts";
import { convBiasGradient, convInputGradient, convWeightGradient } from "./reference.ts";
import { lowerWeightGradient } from "./weight_gradient.ts";

/** Attributes of {@link conv3dInputGradient}: the input, and the first of its channels in the weight. */
export interface InputGradientAttrs extends ConvAttrs {
  readonly first: number;
  /** Spec of the input, whose layout the gradient takes. */
  readonly x: TensorSpec;
  readonly table?: boolean;
}

/**
 * Gradient of `conv3d` with respect to the input that has channels `first .. first + C` of the weight. With stride 1 it is a
 * convolution with flipped weights.
 *
 * Inputs `[dy, w, table?]`; output like the input.
 * @throws {ShapeError} when the tensors do not belong together
 */
export const conv3dInputGradient: OpDef<InputGradientAttrs> = {
  name: "conv3dInputGradient",
  accumulates: [0],
  infer([dy, w, table], attrs) {
    const g = samePadding("conv3dInputGradient", attrs);
    const { c, size } = volume("conv3dInputGradient", "dy", dy);
    const x = volume("conv3dInputGradient", "x", attrs.x);
    require(
      sameShape(size, outputSize(x.size, g)) && w.shape[0] === c && attrs.first + x.c <= w.shape[1],
      "conv3dInputGradient",
      `dy has shape [${dy.shape}] and w [${w.shape}], which do not belong to an input [${attrs.x.shape}]`,
    );
    checkLayouts("conv3dInputGradient", [dy, attrs.x], table, attrs);
    return [attrs.x];
  },
  cost: (inputs, outputs, attrs) =>
    convCost(
      [{ spec: attrs.x, channels: attrs.x.shape[1] }],
      inputs[0],
      inputs[0].shape[1],
      attrs,
      inputs,
      outputs,
    ),
  lower({ inputs: [dy, w], outputs: [dx], attrs, device, accumulate: [accumulation] }) {
    const channels = dx.shape[1];
    const flipped = attrs.stride.every((s) => s === 1);
    return lowerGather(
      {
        label: convLabel("conv3d.dx", dy.shape[1], channels, attrs, dx),
        device,
        direction: flipped ? "forward" : "transposed",
        geometry: samePadding("conv3dInputGradient", attrs),
        n: dy.shape[0],
        sources: gatherSources([dy]),
        outChannels: channels,
        outPlacement: placementOf(dx),
        outType: dx.dtype,
        table: tableBinding(attrs.table, 2),
      },
      { spec: w, binding: input(1, "w"), by: "output", flipped, first: attrs.first, channels },
      accumulation,
    );
  },
  reference({ inputs: [dy, w, table], inputSpecs, outputSpecs: [dx], attrs }) {
    const g = samePadding("conv3dInputGradient", attrs);
    const [o, i] = inputSpecs[1].shape;
    const channels = dx.shape[1];
    const taps = volumeOf(g.kernel);
    const part = new Float64Array(o * channels * taps);
    for (let k = 0; k < o; k++) {
      const start = (k * i + attrs.first) * taps;
      part.set(w.subarray(start, start + channels * taps), k * channels * taps);
    }
    const dense = convInputGradient(
      toVolume(inputSpecs[0], dy, table),
      part,
      convSizes(dx, inputSpecs[0], channels),
      g,
    );
    return [fromVolume(dx, dense, table)];
  },
};

/** Attributes of {@link conv3dWeightGradient}. */
export interface WeightGradientAttrs extends ConvAttrs {
  readonly inputs: 1 | 2 | 3;
  /** Whether the gradient of a bias is wanted too. */
  readonly bias: boolean;
  readonly table?: boolean;
}

/**
 * Gradient of `conv3d` with respect to weight and bias.
 *
 * Inputs `[x, dy, table?]` or two or three inputs in front; outputs `[dw]` or, with bias, `[dw, db]`, f32.
 * @throws {ShapeError} when the tensors do not belong together
 */
export const conv3dWeightGradient: OpDef<WeightGradientAttrs> = {
  name: "conv3dWeightGradient",
  accumulates: [0, 1],
  infer(inputs, attrs) {
    const g = samePadding("conv3dWeightGradient", attrs);
    const x = volume("conv3dWeightGradient", "x", inputs[0]);
    const dy = volume("conv3dWeightGradient", "dy", inputs[attrs.inputs]);
    require(
      x.n === dy.n && sameShape(dy.size, outputSize(x.size, g)),
      "conv3dWeightGradient",
      `x has shape [${inputs[0].shape}] and dy [${inputs[attrs.inputs].shape}], which do not belong together`,
    );
    checkLayouts("conv3dWeightGradient", inputs.slice(0, attrs.inputs + 1), inputs[attrs.inputs + 1], attrs);
    const channels = inputs.slice(0, attrs.inputs).reduce((sum, s) => sum + s.shape[1], 0);
    const dw = tensor([dy.c, channels, ...attrs.kernel]);
    return attrs.bias ? [dw, tensor([dy.c])] : [dw];
  },
  cost(inputs, outputs, attrs) {
    const sources = inputs.slice(0, attrs.inputs).map((spec) => ({ spec, channels: spec.shape[1] }));
    const dy = inputs[attrs.inputs];
    return convCost(sources, dy, dy.shape[1], attrs, inputs, outputs);
  },
  lower(request) {
    const { inputs, attrs, device } = request;
    const dy = inputs[attrs.inputs];
    const sources = inputs.slice(0, attrs.inputs);
    const channels = sources.reduce((sum, s) => sum + s.shape[1], 0);
    return lowerWeightGradient({
      label: convLabel("conv3d.dw", channels, dy.shape[1], attrs, dy),
      device,
      geometry: samePadding("conv3dWeightGradient", attrs),
      sources: sources.map((spec, i) => ({ binding: input(i, "source"), spec })),
      dy: { binding: input(attrs.inputs, "dy"), spec: dy },
      table: tableBinding(attrs.table, attrs.inputs + 1),
      bias: attrs.bias,
      stores: [storeOf(request, 0), storeOf(request, 1)],
    });
  },
  reference({ inputs, inputSpecs, outputSpecs, attrs }) {
    const g = samePadding("conv3dWeightGradient", attrs);
    const dySpec = inputSpecs[attrs.inputs];
    const table = inputs[attrs.inputs + 1] as Float64Array | undefined;
    const dy = toVolume(dySpec, inputs[attrs.inputs], table);
    const s = convSizes(inputSpecs[0], dySpec, outputSpecs[0].shape[1]);
    const x = concatenateVolumes(inputs.slice(0, attrs.inputs), inputSpecs.slice(0, attrs.inputs), table);
    const dw = convWeightGradient(x, dy, s, g);
    return attrs.bias ? [dw, convBiasGradient(dy, s.n, s.outChannels, volumeOf(s.outSize))] : [dw];
  },
};
