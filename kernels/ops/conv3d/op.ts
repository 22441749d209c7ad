/** 3D convolution with "same" padding: forward, input gradient, weight and bias gradient. */
import { type Cost, type Dims3, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input } from "../../wgsl/module.ts";
import { require, sameShape, streamCost, volume } from "../check.ts";
import { type ConvAttrs, type ConvGeometry, outputSize, samePadding, volumeOf } from "./geometry.ts";
import { lowerGather, lowerWeightGradient } from "./lower.ts";
import {
  convBiasGradient,
  convForward,
  convInputGradient,
  type ConvSizes,
  convWeightGradient,
} from "./reference.ts";

/** Attributes of {@link conv3d}: how many inputs stand for one concatenated input, and whether there is a bias. */
export interface Conv3dAttrs extends ConvAttrs {
  readonly inputs: 1 | 2;
  readonly bias: boolean;
}

/** Attributes of {@link conv3dInputGradient}: which input channels, and their size. */
export interface InputGradientAttrs extends ConvAttrs {
  readonly size: Dims3;
  readonly first: number;
  readonly channels: number;
}

function label(op: string, from: number, to: number, attrs: ConvAttrs, size: Dims3): string {
  return `${op} ${from}->${to} k${attrs.kernel.join("")} s${attrs.stride.join("")} ${size.join("x")}`;
}

/** Multiply-adds of a convolution: `N * O * I * taps * output voxels`. */
export function convMacs(
  n: number,
  o: number,
  i: number,
  g: Pick<ConvGeometry, "kernel">,
  outSize: Dims3,
): number {
  return n * o * i * volumeOf(g.kernel) * volumeOf(outSize);
}

function convCost(macs: number, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[]): Cost {
  return streamCost(inputs, outputs, 2 * macs);
}

function checkWeights(op: string, w: TensorSpec, channels: number, attrs: ConvAttrs): number {
  require(
    w.shape.length === 5 && w.shape[1] === channels && sameShape(w.shape.slice(2), attrs.kernel),
    op,
    `weight has shape [${w.shape}], wanted [O, ${channels}, ${attrs.kernel.join(", ")}]`,
    w.shape,
  );
  return w.shape[0];
}

/**
 * `y[n,o,q] = b[o] + sum_{i,k} w[o,i,k] x[n,i, s q + k - (kernel-1)/2]`, zeros outside.
 *
 * Inputs `[x, w, b?]` or, with `inputs: 2`, `[x1, x2, w, b?]`, which equals convolving the channel concatenation.
 * x `[N, I, D, H, W]`, w `[O, I, kd, kh, kw]` (PyTorch order), b `[O]`; output `[N, O, ...]`.
 * @throws {ShapeError} for even kernels, strides other than 1 and 2, or tensors that do not fit
 * Source: torch.nn.functional.conv3d.
 */
export const conv3d: OpDef<Conv3dAttrs> = {
  name: "conv3d",
  infer(inputs, attrs) {
    const g = samePadding("conv3d", attrs);
    require(
      inputs.length === attrs.inputs + 1 + (attrs.bias ? 1 : 0),
      "conv3d",
      `found ${inputs.length} tensors, wanted ${attrs.inputs} inputs, a weight${
        attrs.bias ? " and a bias" : ""
      }`,
    );
    const parts = inputs.slice(0, attrs.inputs).map((x) => volume("conv3d", "x", x));
    require(
      parts.every((x) => x.n === parts[0].n && sameShape(x.size, parts[0].size)),
      "conv3d",
      `inputs have shapes ${
        inputs.slice(0, attrs.inputs).map((x) => `[${x.shape}]`).join(" and ")
      }, wanted one batch and size`,
    );
    const channels = parts.reduce((sum, x) => sum + x.c, 0);
    const o = checkWeights("conv3d", inputs[attrs.inputs], channels, attrs);
    if (attrs.bias) {
      const b = inputs[attrs.inputs + 1];
      require(sameShape(b.shape, [o]), "conv3d", `bias has shape [${b.shape}], wanted [${o}]`);
    }
    return [tensor([parts[0].n, o, ...outputSize(parts[0].size, g)])];
  },
  cost(inputs, outputs, attrs) {
    const [n, o, d, h, w] = outputs[0].shape;
    return convCost(convMacs(n, o, inputs[attrs.inputs].shape[1], attrs, [d, h, w]), inputs, outputs);
  },
  lower({ inputs, outputs, attrs, device }) {
    const g = samePadding("conv3d", attrs);
    const sources = inputs.slice(0, attrs.inputs).map((x, i) => ({
      binding: input(i, `x${i}`),
      channels: x.shape[1],
    }));
    const [n, o, ...size] = outputs[0].shape;
    const outSize = size as unknown as Dims3;
    const w = inputs[attrs.inputs];
    return lowerGather({
      label: label("conv3d", w.shape[1], o, attrs, outSize),
      device,
      direction: "forward",
      geometry: g,
      n,
      inSize: inputs[0].shape.slice(2) as unknown as Dims3,
      outSize,
      outChannels: o,
      sources,
      bias: attrs.bias ? input(attrs.inputs + 1, "bias") : null,
    }, { spec: w, binding: input(attrs.inputs, "w") });
  },
  gradient({ inputs, gradients: [dy], needed, attrs, apply }) {
    const w = inputs[attrs.inputs];
    let first = 0;
    const dx = inputs.slice(0, attrs.inputs).map((x, i) => {
      const [, channels, ...size] = x.spec.shape;
      const start = first;
      first += channels;
      if (!needed[i]) return null;
      const { kernel, stride } = attrs;
      return apply(conv3dInputGradient, [dy!, w], {
        kernel,
        stride,
        size: size as unknown as Dims3,
        first: start,
        channels,
      })[0];
    });
    const [dw, db] = needed[attrs.inputs] || needed[attrs.inputs + 1]
      ? apply(conv3dWeightGradient, [...inputs.slice(0, attrs.inputs), dy!], attrs)
      : [null, null];
    return attrs.bias ? [...dx, dw, db] : [...dx, dw];
  },
  reference({ inputs, inputSpecs, outputSpecs, attrs }) {
    const g = samePadding("conv3d", attrs);
    const s = sizes(inputSpecs[0], outputSpecs[0], inputSpecs[attrs.inputs].shape[1]);
    const x = concatenate(inputs.slice(0, attrs.inputs), inputSpecs.slice(0, attrs.inputs));
    return [convForward(x, inputs[attrs.inputs], attrs.bias ? inputs[attrs.inputs + 1] : undefined, s, g)];
  },
};

/**
 * Gradient of {@link conv3d} with respect to input channels `first .. first + channels`.
 *
 * Inputs `[dy, w]`; output `[N, channels, ...size]`.
 */
export const conv3dInputGradient: OpDef<InputGradientAttrs> = {
  name: "conv3dInputGradient",
  infer([dy, w], attrs) {
    const g = samePadding("conv3dInputGradient", attrs);
    const { n, c, size } = volume("conv3dInputGradient", "dy", dy);
    require(
      sameShape(size, outputSize(attrs.size, g)) && w.shape[0] === c &&
        attrs.first + attrs.channels <= w.shape[1],
      "conv3dInputGradient",
      `dy has shape [${dy.shape}] and w [${w.shape}], which do not belong to an input of ${attrs.channels} channels and size ${attrs.size}`,
    );
    return [tensor([n, attrs.channels, ...attrs.size])];
  },
  cost([dy, w], outputs, attrs) {
    const [n, o, d, h, ww] = dy.shape;
    return convCost(convMacs(n, o, attrs.channels, attrs, [d, h, ww]), [dy, w], outputs);
  },
  lower({ inputs: [dy, w], outputs, attrs, device }) {
    const g = samePadding("conv3dInputGradient", attrs);
    const [n, o, ...size] = dy.shape;
    return lowerGather({
      label: label("conv3d.dx", o, attrs.channels, attrs, attrs.size),
      device,
      direction: "transposed",
      geometry: g,
      n,
      inSize: size as unknown as Dims3,
      outSize: outputs[0].shape.slice(2) as unknown as Dims3,
      outChannels: attrs.channels,
      sources: [{ binding: input(0, "x0"), channels: o }],
      bias: null,
    }, { spec: w, binding: input(1, "w"), first: attrs.first, channels: attrs.channels });
  },
  reference({ inputs: [dy, w], inputSpecs, outputSpecs: [dx], attrs }) {
    const g = samePadding("conv3dInputGradient", attrs);
    const [o, i] = inputSpecs[1].shape;
    const taps = volumeOf(g.kernel);
    const part = new Float64Array(o * attrs.channels * taps);
    for (let k = 0; k < o; k++) {
      const start = (k * i + attrs.first) * taps;
      part.set(w.subarray(start, start + attrs.channels * taps), k * attrs.channels * taps);
    }
    return [convInputGradient(dy, part, sizes(dx, inputSpecs[0], attrs.channels), g)];
  },
};

/**
 * Gradient of {@link conv3d} with respect to weight and bias.
 *
 * Inputs `[x, dy]` or `[x1, x2, dy]`; outputs `[dw]` or, with bias, `[dw, db]`.
 */
export const conv3dWeightGradient: OpDef<Conv3dAttrs> = {
  name: "conv3dWeightGradient",
  infer(inputs, attrs) {
    const g = samePadding("conv3dWeightGradient", attrs);
    const x = volume("conv3dWeightGradient", "x", inputs[0]);
    const dy = volume("conv3dWeightGradient", "dy", inputs[attrs.inputs]);
    require(
      x.n === dy.n && sameShape(dy.size, outputSize(x.size, g)),
      "conv3dWeightGradient",
      `x has shape [${inputs[0].shape}] and dy [${inputs[attrs.inputs].shape}], which do not belong together`,
    );
    const channels = inputs.slice(0, attrs.inputs).reduce((sum, s) => sum + s.shape[1], 0);
    const dw = tensor([dy.c, channels, ...attrs.kernel]);
    return attrs.bias ? [dw, tensor([dy.c])] : [dw];
  },
  cost(inputs, outputs, attrs) {
    const [o, i] = outputs[0].shape;
    const [n, , d, h, w] = inputs[attrs.inputs].shape;
    return convCost(convMacs(n, o, i, attrs, [d, h, w]), inputs, outputs);
  },
  lower({ inputs, attrs, device }) {
    const g = samePadding("conv3dWeightGradient", attrs);
    const [n, o, ...size] = inputs[attrs.inputs].shape;
    const outSize = size as unknown as Dims3;
    const sources = inputs.slice(0, attrs.inputs).map((x, i) => ({
      binding: input(i, "source"),
      channels: x.shape[1],
    }));
    return lowerWeightGradient({
      label: label("conv3d.dw", sources.reduce((sum, s) => sum + s.channels, 0), o, attrs, outSize),
      device,
      geometry: g,
      n,
      inSize: inputs[0].shape.slice(2) as unknown as Dims3,
      outSize,
      outChannels: o,
      sources,
      dy: input(attrs.inputs, "dy"),
      bias: attrs.bias,
    });
  },
  reference({ inputs, inputSpecs, outputSpecs, attrs }) {
    const g = samePadding("conv3dWeightGradient", attrs);
    const dySpec = inputSpecs[attrs.inputs];
    const s = sizes(inputSpecs[0], dySpec, outputSpecs[0].shape[1]);
    const x = concatenate(inputs.slice(0, attrs.inputs), inputSpecs.slice(0, attrs.inputs));
    const dw = convWeightGradient(x, inputs[attrs.inputs], s, g);
    return attrs.bias
      ? [dw, convBiasGradient(inputs[attrs.inputs], s.n, s.outChannels, volumeOf(s.outSize))]
      : [dw];
  },
};

function sizes(x: TensorSpec, y: TensorSpec, inChannels: number): ConvSizes {
  return {
    n: x.shape[0],
    inChannels,
    outChannels: y.shape[1],
    inSize: x.shape.slice(2) as unknown as Dims3,
    outSize: y.shape.slice(2) as unknown as Dims3,
  };
}

/** Joins tensors `[N, C_i, ...]` along channels. */
function concatenate(parts: readonly Float64Array[], specs: readonly TensorSpec[]): Float64Array {
  if (parts.length === 1) return parts[0];
  const n = specs[0].shape[0];
  const lengths = parts.map((p) => p.length / n);
  const joined = new Float64Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (let sample = 0; sample < n; sample++) {
    parts.forEach((part, i) => {
      joined.set(part.subarray(sample * lengths[i], (sample + 1) * lengths[i]), at);
      at += lengths[i];
    });
  }
  return joined;
}
