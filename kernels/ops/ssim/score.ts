/** Turns mean similarities of one or more scales into a loss. */
import { elementCount, type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { treeSum } from "../../wgsl/reduce.ts";
import { require, requireSame, streamCost } from "../check.ts";

/** Exponent of each scale. */
export interface ScoreAttrs {
  readonly weights: readonly number[];
}

function check(op: string, values: readonly TensorSpec[], attrs: ScoreAttrs): void {
  require(
    values.length === attrs.weights.length && values.length >= 1 && values.length <= 5,
    op,
    `found ${values.length} scales for ${attrs.weights.length} weights, wanted 1 to 5 of each`,
  );
  for (const value of values) requireSame(op, values[0], value, "scales");
}

/** WGSL: `value` and `power` of every scale at `i`; negative means count as 0, NaN stays. */
function powers(attrs: ScoreAttrs): string {
  return attrs.weights.map((_, l) => `
  let v${l} = v${l}_[i];
  let power${l} = select(select(pow(v${l}, p.w${l}), v${l}, p.w${l} == 1.0), 0.0, v${l} <= 0.0);`).join("");
}

const weightParams = (attrs: ScoreAttrs) =>
  Object.fromEntries(attrs.weights.map((w, l) => [`w${l}`, { f32: w }]));
const product = (attrs: ScoreAttrs) => attrs.weights.map((_, l) => `power${l}`).join(" * ");
const positive = (v: number) => v <= 0 ? 0 : v;

/**
 * `loss = 1 - mean over samples and channels of prod_l max(0, v_l)^w_l`.
 *
 * Inputs: one `[N, C]` a scale; output `[1]`.
 * @throws {ShapeError} when the number of scales is not that of the weights, or above 5
 * Source: Wang et al. 2003 (doi:10.1109/ACSSC.2003.1292216), eq. 7; clipping at 0 as in pytorch-msssim.
 */
export const similarityLoss: OpDef<ScoreAttrs> = {
  name: "similarityLoss",
  infer(values, attrs) {
    check("similarityLoss", values, attrs);
    return [tensor([1])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, inputs.length * 4 * elementCount(inputs[0].shape)),
  lower({ inputs, attrs, device }) {
    const count = elementCount(inputs[0].shape);
    return {
      variant: "one workgroup",
      scratch: [],
      kernels: [kernel({
        label: `similarityLoss ${inputs.length} scales`,
        device,
        bindings: [...inputs.map((_, l) => input(l, `v${l}_`)), output(0, "loss")],
        params: { count, ...weightParams(attrs) },
        groups: 1,
        declarations: treeSum("tree", WORKGROUP, device),
        body: `
var sum = 0.0;
for (var i = lid; i < p.count; i += ${WORKGROUP}u) {${powers(attrs)}
  sum += ${product(attrs)};
}
let whole = treeSum(lid, vec4f(sum, 0.0, 0.0, 0.0));
if (lid == 0u) { loss[0] = 1.0 - whole.x / f32(p.count); }`,
      })],
    };
  },
  gradient: ({ inputs, gradients: [dloss], needed, attrs, apply }) =>
    inputs.map((_, scale) =>
      needed[scale] ? apply(similarityLossGradient, [...inputs, dloss!], { ...attrs, scale })[0] : null
    ),
  reference({ inputs, attrs }) {
    const count = inputs[0].length;
    let loss = 1;
    for (let i = 0; i < count; i++) {
      loss -= inputs.reduce((p, v, l) => p * positive(v[i]) ** attrs.weights[l], 1) / count;
    }
    return [Float64Array.of(loss)];
  },
};

/**
 * Gradient of {@link similarityLoss} with respect to one scale: `-dloss / (N C) * w_s / v_s * prod_l v_l^w_l`, 0 where v_s <= 0.
 *
 * Inputs: all scales, then `dloss` `[1]`; output `[N, C]`.
 */
export const similarityLossGradient: OpDef<ScoreAttrs & { readonly scale: number }> = {
  name: "similarityLossGradient",
  infer(inputs, attrs) {
    check("similarityLossGradient", inputs.slice(0, -1), attrs);
    return [inputs[0]];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, inputs.length * 4 * elementCount(inputs[0].shape)),
  lower({ inputs, attrs, device }) {
    const scales = inputs.length - 1;
    const count = elementCount(inputs[0].shape);
    return {
      variant: "flat",
      scratch: [],
      kernels: [kernel({
        label: `similarityLoss.dv ${attrs.scale} of ${scales}`,
        device,
        bindings: [
          ...inputs.slice(0, scales).map((_, l) => input(l, `v${l}_`)),
          input(scales, "dloss"),
          output(0, "dv"),
        ],
        params: { count, scale: attrs.scale, ...weightParams(attrs) },
        groups: Math.ceil(count / WORKGROUP),
        body: `
let i = tid;
if (i < p.count) {${powers(attrs)}
  var value = v0;
  var weight = p.w0;
${
          attrs.weights.slice(1).map((_, l) =>
            `  if (p.scale == ${l + 1}u) { value = v${l + 1}; weight = p.w${l + 1}; }`
          ).join("\n")
        }
  dv[i] = select(-dloss[0] / f32(p.count) * weight * (${product(attrs)}) / value, 0.0, value <= 0.0);
}`,
      })],
    };
  },
  reference({ inputs, attrs }) {
    const values = inputs.slice(0, -1);
    const dloss = inputs[inputs.length - 1][0];
    return [
      values[attrs.scale].map((v, i) => {
        if (v <= 0) return 0;
        const p = values.reduce((q, u, l) => q * positive(u[i]) ** attrs.weights[l], 1);
        return -dloss / values[0].length * attrs.weights[attrs.scale] * p / v;
      }),
    ];
  },
};
