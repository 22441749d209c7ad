/** Optimiser updates over flat segments of parameters: SGD with Nesterov momentum, and AdamW. */
import type { LowerRequest, OpDef, TensorSpec } from "../../spec.ts";
import { elementCount } from "../../spec.ts";
import { input, kernel, output, type Param, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, requireSame, sameShape, streamCost } from "../check.ts";
import { flatLanes, laneType } from "../elementwise.ts";

/** Constants of {@link sgdUpdate}; the learning rate is data. */
export interface SgdAttrs {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly weightDecay: number;
}

/** Constants of {@link adamwUpdate}; learning rate and bias corrections are data. */
export interface AdamwAttrs {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/** Elements of the per-step scalars: learning rate, `1 - beta1^t`, `1 - beta2^t`, metrics row. */
export const STEP_SCALARS = 4;

function checkUpdate(op: string, inputs: readonly TensorSpec[], states: number): void {
  for (let i = 1; i < 2 + states; i++) {
    requireSame(op, inputs[0], inputs[i], "parameters, gradients and states");
  }
  require(
    sameShape(inputs[2 + states].shape, [4]),
    op,
    `clip has shape [${inputs[2 + states].shape}], wanted [4]`,
  );
  require(
    sameShape(inputs[3 + states].shape, [STEP_SCALARS]),
    op,
    `step scalars have shape [${inputs[3 + states].shape}], wanted [${STEP_SCALARS}]`,
  );
}

/**
 * Kernel over a flat segment, four numbers at a time where its length allows; `body` updates `parameters[tid]` and states from
 * `g`, with `lr`. Not finite: no change.
 */
function updateKernel<A>(
  request: LowerRequest<A>,
  label: string,
  states: readonly string[],
  params: Record<string, Param>,
  body: string,
) {
  const total = elementCount(request.inputs[0].shape);
  const lanes = flatLanes(request.inputs[0]);
  const n = total / lanes;
  return kernel({
    label: `${label} ${total}`,
    device: request.device,
    bindings: [
      input(1, "gradients", "V"),
      input(2 + states.length, "clip"),
      input(3 + states.length, "scalars"),
      output(0, "parameters", "V"),
      ...states.map((name, i) => output(1 + i, name, "V")),
    ],
    declarations: laneType(lanes),
    params: { n, ...params },
    groups: Math.ceil(n / WORKGROUP),
    body: `
if (tid >= p.n || clip[2] == 0.0) { return; }
let lr = scalars[0];
let w = parameters[tid];
let g = gradients[tid] * clip[1];
${body}`,
  });
}

/**
 * `g' = clip g + wd w; v = momentum v + g'; w -= lr (g' + momentum v)` (Nesterov) or `w -= lr v`.
 *
 * Inputs `[w, g, v, clip, scalars]`: w, g, v of one shape, clip from `clipScale`, scalars `[4]` with the learning rate first.
 * Updates w and v in place; does nothing when the gradient norm is not finite.
 * @throws {ShapeError} when the shapes do not fit
 * Source: torch.optim.SGD, dampening 0; v starts at 0, which equals starting at g'.
 */
export const sgdUpdate: OpDef<SgdAttrs> = {
  name: "sgdUpdate",
  updates: [[0, 0], [2, 1]],
  infer(inputs) {
    checkUpdate("sgdUpdate", inputs, 1);
    return [inputs[0], inputs[2]];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 7 * count(outputs)),
  lower(request) {
    const { momentum, nesterov, weightDecay } = request.attrs;
    return {
      variant: "segment",
      scratch: [],
      kernels: [updateKernel(
        request,
        "sgd",
        ["velocity"],
        {
          momentum: { f32: momentum },
          weightDecay: { f32: weightDecay },
        },
        `
let d = g + p.weightDecay * w;
let v = p.momentum * velocity[tid] + d;
velocity[tid] = v;
parameters[tid] = w - lr * ${nesterov ? "(d + p.momentum * v)" : "v"};`,
      )],
    };
  },
  reference({ inputs: [w, g, v, clip, scalars], attrs }) {
    if (clip[2] === 0) return [w.slice(), v.slice()];
    const velocity = new Float64Array(w.length);
    const next = w.map((value, i) => {
      const d = g[i] * clip[1] + attrs.weightDecay * value;
      velocity[i] = attrs.momentum * v[i] + d;
      return value - scalars[0] * (attrs.nesterov ? d + attrs.momentum * velocity[i] : velocity[i]);
    });
    return [next, velocity];
  },
};

/**
 * Decoupled weight decay: `w *= 1 - lr wd`, then Adam with bias correction.
 *
 * Inputs `[w, g, m, v, clip, scalars]`; scalars hold learning rate, `1 - beta1^t`, `1 - beta2^t`. Updates w, m, v in place; does
 * nothing when the gradient norm is not finite.
 * @throws {ShapeError} when the shapes do not fit
 * Source: torch.optim.AdamW; Loshchilov and Hutter (arXiv:1711.05101).
 */
export const adamwUpdate: OpDef<AdamwAttrs> = {
  name: "adamwUpdate",
  updates: [[0, 0], [2, 1], [3, 2]],
  infer(inputs) {
    checkUpdate("adamwUpdate", inputs, 2);
    return [inputs[0], inputs[2], inputs[3]];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 15 * count(outputs)),
  lower(request) {
    const { beta1, beta2, eps, weightDecay } = request.attrs;
    return {
      variant: "segment",
      scratch: [],
      kernels: [updateKernel(
        request,
        "adamw",
        ["first", "second"],
        {
          beta1: { f32: beta1 },
          beta2: { f32: beta2 },
          eps: { f32: eps },
          weightDecay: { f32: weightDecay },
        },
        `
let m = p.beta1 * first[tid] + (1.0 - p.beta1) * g;
let v = p.beta2 * second[tid] + (1.0 - p.beta2) * g * g;
first[tid] = m;
second[tid] = v;
parameters[tid] = w * (1.0 - lr * p.weightDecay) - lr * (m / scalars[1]) / (sqrt(v / scalars[2]) + p.eps);`,
      )],
    };
  },
  reference({ inputs: [w, g, m, v, clip, scalars], attrs }) {
    if (clip[2] === 0) return [w.slice(), m.slice(), v.slice()];
    const first = m.map((value, i) => attrs.beta1 * value + (1 - attrs.beta1) * g[i] * clip[1]);
    const second = v.map((value, i) => attrs.beta2 * value + (1 - attrs.beta2) * (g[i] * clip[1]) ** 2);
    const next = w.map((value, i) =>
      value * (1 - scalars[0] * attrs.weightDecay) -
      scalars[0] * (first[i] / scalars[1]) / (Math.sqrt(second[i] / scalars[2]) + attrs.eps)
    );
    return [next, first, second];
  },
};
