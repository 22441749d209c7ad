/** LeakyReLU and its gradient. */
import type { OpDef } from "../../spec.ts";
import { count, requireSame, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/** Slope for negative inputs; the networks use 0.01. */
export interface LeakyReluAttrs {
  readonly slope: number;
}

/**
 * `y = x > 0 ? x : slope * x`.
 *
 * Input `[x]` of any shape; output of that shape.
 */
export const leakyRelu: OpDef<LeakyReluAttrs> = {
  name: "leakyRelu",
  recompute: [0],
  accumulates: [0],
  infer: ([x]) => [x],
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower: (request) =>
    lowerElementwise(request, "leakyRelu", ["x"], "select(p.slope * x, x, x > V())", {
      slope: { f32: request.attrs.slope },
    }),
  gradient: (
    { inputs: [x], gradients: [dy], attrs, apply },
  ) => [apply(leakyReluGradient, [x, dy!], attrs)[0]],
  reference: ({ inputs: [x], attrs }) => [x.map((v) => v > 0 ? v : attrs.slope * v)],
};

/**
 * `dx = x > 0 ? dy : slope * dy`; at exactly 0 the slope counts, as in PyTorch.
 *
 * Inputs `[x, dy]`; output like `x`. May overwrite `dy`.
 */
export const leakyReluGradient: OpDef<LeakyReluAttrs> = {
  name: "leakyReluGradient",
  mayOverwrite: [[1, 0]],
  accumulates: [0],
  infer([x, dy]) {
    requireSame("leakyReluGradient", x, dy, "x and dy");
    return [x];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower: (request) =>
    lowerElementwise(request, "leakyReluGradient", ["x", "dy"], "select(p.slope * dy, dy, x > V())", {
      slope: { f32: request.attrs.slope },
    }),
  reference: ({ inputs: [x, dy], attrs }) => [dy.map((v, i) => x[i] > 0 ? v : attrs.slope * v)],
};
