/** Gaussian smoothing along one axis without padding: a third of a separable 3D window. */
import {
  elementCount,
  type Lowering,
  type LowerRequest,
  type OpDef,
  tensor,
  type TensorSpec,
} from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { require, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { gaussianWindow } from "./window.ts";

/** Window of {@link gaussianAxis}: 0 depth, 1 height, 2 width; `sigma` in voxels. */
export interface GaussianAxisAttrs {
  readonly axis: 0 | 1 | 2;
  readonly window: number;
  readonly sigma: number;
}

const PER_THREAD = 4;

/** A volume tensor seen as `[outer, length, inner]` around one axis. */
function around(spec: TensorSpec, axis: number): { outer: number; length: number; inner: number } {
  return {
    outer: elementCount(spec.shape.slice(0, axis + 2)),
    length: spec.shape[axis + 2],
    inner: elementCount(spec.shape.slice(axis + 3)),
  };
}

function resized(spec: TensorSpec, axis: number, change: number): TensorSpec {
  return tensor(spec.shape.map((extent, i) => i === axis + 2 ? extent + change : extent));
}

function lowerTaps(request: LowerRequest<GaussianAxisAttrs>, name: string, body: string): Lowering {
  const n = elementCount(request.outputs[0].shape);
  const { axis } = request.attrs;
  const { length, inner } = around(request.outputs[0], axis);
  return {
    variant: "taps",
    scratch: [],
    kernels: [kernel({
      label: `${name} ${request.attrs.window} ${"DHW"[axis]} ${shapeText(request.outputs[0])}`,
      device: request.device,
      bindings: [input(0, "source"), output(0, "target_")],
      params: { n, length, inner, other: around(request.inputs[0], axis).length },
      groups: Math.ceil(n / (WORKGROUP * PER_THREAD)),
      body: `
let base = group * ${WORKGROUP * PER_THREAD}u + lid;
for (var step = 0u; step < ${PER_THREAD}u; step++) {
  let i = base + step * ${WORKGROUP}u;
  if (i < p.n) {
    ${body}
  }
}`,
    })],
  };
}

/**
 * `y[.., l, ..] = sum_k w[k] x[.., l + k, ..]` along one axis, k = 0 .. window - 1, no padding.
 *
 * Input `[x]` `[N, C, D, H, W]`; in the output the axis is `window - 1` shorter.
 * @throws {ShapeError} when the axis is shorter than the window
 */
export const gaussianAxis: OpDef<GaussianAxisAttrs> = {
  name: "gaussianAxis",
  infer([x], { axis, window }) {
    const { size } = volume("gaussianAxis", "x", x);
    require(
      size[axis] >= window,
      "gaussianAxis",
      `axis ${"DHW"[axis]} has ${
        size[axis]
      } voxels, wanted at least the window's ${window}: leave this axis out`,
      size,
    );
    return [resized(x, axis, 1 - window)];
  },
  cost: (inputs, outputs, { window }) =>
    streamCost(inputs, outputs, 2 * window * elementCount(outputs[0].shape)),
  lower(request) {
    const taps = gaussianWindow(request.attrs.window, request.attrs.sigma)
      .map((w, k) => `${literal(w)} * source[at + ${k}u * p.inner]`).join(" + ");
    return lowerTaps(
      request,
      "gaussianAxis",
      `let at = i + (i / (p.length * p.inner)) * (p.other - p.length) * p.inner;
    target_[i] = ${taps};`,
    );
  },
  gradient: ({ gradients: [dy], attrs, apply }) => [apply(gaussianAxisAdjoint, [dy!], attrs)[0]],
  reference({ inputs: [x], inputSpecs: [spec], outputSpecs: [out], attrs }) {
    const { outer, length, inner } = around(out, attrs.axis);
    const long = around(spec, attrs.axis).length;
    const weights = gaussianWindow(attrs.window, attrs.sigma);
    const y = new Float64Array(outer * length * inner);
    for (let o = 0; o < outer; o++) {
      for (let l = 0; l < length; l++) {
        for (let j = 0; j < inner; j++) {
          let sum = 0;
          weights.forEach((w, k) => sum += w * x[(o * long + l + k) * inner + j]);
          y[(o * length + l) * inner + j] = sum;
        }
      }
    }
    return [y];
  },
};

/**
 * Transpose of {@link gaussianAxis}: `dx[.., l, ..] = sum_k w[k] dy[.., l - k, ..]` where it exists.
 *
 * Input `[dy]`; in the output the axis is `window - 1` longer.
 */
export const gaussianAxisAdjoint: OpDef<GaussianAxisAttrs> = {
  name: "gaussianAxisAdjoint",
  infer: ([dy], { axis, window }) => [resized(dy, axis, window - 1)],
  cost: (inputs, outputs, { window }) =>
    streamCost(inputs, outputs, 2 * window * elementCount(inputs[0].shape)),
  lower(request) {
    const taps = gaussianWindow(request.attrs.window, request.attrs.sigma).map((w, k) =>
      k === 0
        ? `if (l < p.other) { sum = ${literal(w)} * source[at]; }`
        : `if (l >= ${k}u && l - ${k}u < p.other) { sum += ${literal(w)} * source[at - ${k}u * p.inner]; }`
    ).join("\n    ");
    return lowerTaps(
      request,
      "gaussianAxis.dx",
      `let line = i / p.inner;
    let outer = line / p.length;
    let l = line - outer * p.length;
    let at = i - outer * (p.length - p.other) * p.inner;
    var sum = 0.0;
    ${taps}
    target_[i] = sum;`,
    );
  },
  gradient: ({ gradients: [dx], attrs, apply }) => [apply(gaussianAxis, [dx!], attrs)[0]],
  reference({ inputs: [dy], inputSpecs: [spec], outputSpecs: [out], attrs }) {
    const { outer, length, inner } = around(out, attrs.axis);
    const short = around(spec, attrs.axis).length;
    const weights = gaussianWindow(attrs.window, attrs.sigma);
    const dx = new Float64Array(outer * length * inner);
    for (let o = 0; o < outer; o++) {
      for (let l = 0; l < short; l++) {
        for (let j = 0; j < inner; j++) {
          const g = dy[(o * short + l) * inner + j];
          weights.forEach((w, k) => dx[(o * length + l + k) * inner + j] += w * g);
        }
      }
    }
    return [dx];
  },
};

function literal(value: number): string {
  return value.toExponential(9);
}
