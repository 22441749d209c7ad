/** The five products whose Gaussian means make up SSIM. */
import { elementCount, type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import type { NoAttrs } from "../add/op.ts";
import { require, requireSame, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Position of each moment along the first axis, in units of N. */
export const MOMENTS = 5;

/**
 * Stacks `x, y, x*x, y*y, x*y`, so that one smoothing pass serves all five.
 *
 * Inputs `[x, y]` `[N, C, D, H, W]`; output `[5N, C, D, H, W]`, moment by moment.
 * @throws {ShapeError} when the shapes differ
 */
export const moments: OpDef<NoAttrs> = {
  name: "moments",
  infer([x, y]) {
    requireSame("moments", x, y, "x and y");
    const { n } = volume("moments", "x", x);
    return [tensor([MOMENTS * n, ...x.shape.slice(1)])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 3 * elementCount(inputs[0].shape)),
  lower({ inputs: [x], device }) {
    const n = elementCount(x.shape);
    return {
      variant: "flat",
      scratch: [],
      kernels: [kernel({
        label: `moments ${shapeText(x)}`,
        device,
        bindings: [input(0, "x"), input(1, "y"), output(0, "stack")],
        params: { n },
        groups: Math.ceil(n / WORKGROUP),
        body: `
if (tid < p.n) {
  let a = x[tid];
  let b = y[tid];
  stack[tid] = a;
  stack[p.n + tid] = b;
  stack[2u * p.n + tid] = a * a;
  stack[3u * p.n + tid] = b * b;
  stack[4u * p.n + tid] = a * b;
}`,
      })],
    };
  },
  gradient: ({ inputs: [x, y], gradients: [dm], needed, apply }) => [
    needed[0] ? apply(momentsGradient, [x, y, dm!], { of: 0 })[0] : null,
    needed[1] ? apply(momentsGradient, [y, x, dm!], { of: 1 })[0] : null,
  ],
  reference: ({ inputs: [x, y] }) => {
    const stack = new Float64Array(MOMENTS * x.length);
    x.forEach((a, i) => {
      [a, y[i], a * a, y[i] * y[i], a * y[i]].forEach((v, k) => stack[k * x.length + i] = v);
    });
    return [stack];
  },
};

/**
 * Gradient of {@link moments} with respect to image `of`: `da = dm[of] + 2 a dm[2 + of] + b dm[4]`.
 *
 * Inputs `[a, b, dm]`, a the image itself, b the other one; output like `a`.
 */
export const momentsGradient: OpDef<{ of: 0 | 1 }> = {
  name: "momentsGradient",
  infer([a, b, dm]) {
    requireSame("momentsGradient", a, b, "a and b");
    require(
      sameShape(dm.shape, [MOMENTS * a.shape[0], ...a.shape.slice(1)]),
      "momentsGradient",
      `dm has shape [${dm.shape}], wanted [${[MOMENTS * a.shape[0], ...a.shape.slice(1)]}]`,
    );
    return [a];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 5 * elementCount(outputs[0].shape)),
  lower({ inputs: [a], attrs, device }) {
    const n = elementCount(a.shape);
    return {
      variant: "flat",
      scratch: [],
      kernels: [kernel({
        label: `moments.d${"xy"[attrs.of]} ${shapeText(a)}`,
        device,
        bindings: [input(0, "image"), input(1, "other"), input(2, "dm"), output(0, "dimage")],
        params: { n, linear: attrs.of * n, square: (2 + attrs.of) * n },
        groups: Math.ceil(n / WORKGROUP),
        body: `
if (tid < p.n) {
  dimage[tid] = dm[p.linear + tid] + 2.0 * image[tid] * dm[p.square + tid] + other[tid] * dm[4u * p.n + tid];
}`,
      })],
    };
  },
  reference: ({ inputs: [a, b, dm], attrs: { of } }) => [
    a.map((v, i) =>
      dm[of * a.length + i] + 2 * v * dm[(2 + of) * a.length + i] + b[i] * dm[4 * a.length + i]
    ),
  ],
};
