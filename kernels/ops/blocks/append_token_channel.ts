/**
 * The weight of a convolution over a map whose hidden voxels hold a token, for convolving without storing that map.
 *
 * A token-filled map is `x + token * hidden`, with x zero in hidden voxels, and convolution is linear: filling costs one more
 * input channel, the mask of hidden voxels, whose weight is the token seen through the weights of the filled channels.
 */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, WORKGROUP } from "../../wgsl/module.ts";
import { treeSum, treeThreads } from "../../wgsl/reduce.ts";
import { storeOf } from "../accumulation.ts";
import { count, require, sameShape, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Weights whose gradient one thread computes. */
const PER_THREAD = 8;

/** Attributes of {@link appendTokenChannel}. */
export interface TokenChannelAttrs {
  /** First of the channels that the token fills. */
  readonly first: number;
}

interface Extents {
  readonly outs: number;
  readonly channels: number;
  readonly taps: number;
  readonly filled: number;
}

function extents(w: TensorSpec, token: TensorSpec): Extents {
  const [outs, channels, ...kernelSize] = w.shape;
  return { outs, channels, taps: kernelSize.reduce((a, b) => a * b, 1), filled: token.shape[1] };
}

function checkToken(op: string, w: TensorSpec, token: TensorSpec, { first }: TokenChannelAttrs): void {
  const fits = w.shape.length === 5 && sameShape(token.shape, [1, token.shape[1], 1, 1, 1]) &&
    first >= 0 && first + token.shape[1] <= w.shape[1];
  require(
    fits,
    op,
    `weight [${w.shape}] has no channels ${first} to ${
      first + token.shape[1] - 1
    } for a token [${token.shape}]`,
    w.shape,
  );
}

/**
 * `w'[o,c,k] = w[o,c,k]` for `c < C` and `w'[o,C,k] = sum_t w[o,first+t,k] token[t]`.
 *
 * Inputs w `[O, C, k0, k1, k2]` and token `[1, T, 1, 1, 1]`; output `[O, C+1, k0, k1, k2]`.
 * @throws {ShapeError} when the weight has no channels `first .. first + T`
 */
export const appendTokenChannel: OpDef<TokenChannelAttrs> = {
  name: "appendTokenChannel",
  infer([w, token], attrs) {
    checkToken("appendTokenChannel", w, token, attrs);
    const [o, c, ...kernelSize] = w.shape;
    return [tensor([o, c + 1, ...kernelSize])];
  },
  cost(inputs, outputs) {
    const { outs, taps, filled } = extents(inputs[0], inputs[1]);
    return streamCost(inputs, outputs, 2 * outs * taps * filled);
  },
  lower({ inputs: [w, token], outputs: [y], attrs: { first }, device }) {
    return {
      variant: "one thread a weight",
      scratch: [],
      kernels: [kernel({
        label: `appendTokenChannel ${shapeText(w)}`,
        device,
        bindings: [input(0, "w"), input(1, "token"), output(0, "y")],
        params: { total: count([y]), first, ...extents(w, token) },
        groups: Math.ceil(count([y]) / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let k = tid % p.taps; let c = tid / p.taps % (p.channels + 1u); let o = tid / (p.taps * (p.channels + 1u));
if (c < p.channels) { y[tid] = w[(o * p.channels + c) * p.taps + k]; return; }
var sum = 0.0;
for (var t = 0u; t < p.filled; t++) { sum += w[(o * p.channels + p.first + t) * p.taps + k] * token[t]; }
y[tid] = sum;`,
      })],
    };
  },
  gradient({ inputs: [w, token], gradients: [dy], attrs, apply }) {
    return apply(appendTokenChannelGradient, [w, token, dy!], attrs);
  },
  reference({ inputs: [w, token], inputSpecs, attrs: { first } }) {
    const { outs, channels, taps, filled } = extents(inputSpecs[0], inputSpecs[1]);
    const y = new Float64Array(outs * (channels + 1) * taps);
    for (let o = 0; o < outs; o++) {
      const row = o * channels * taps;
      const start = o * (channels + 1) * taps;
      y.set(w.subarray(row, row + channels * taps), start);
      for (let t = 0; t < filled; t++) {
        for (let k = 0; k < taps; k++) {
          y[start + channels * taps + k] += w[row + (first + t) * taps + k] * token[t];
        }
      }
    }
    return [y];
  },
};

/**
 * Gradient of {@link appendTokenChannel}: `dw[o,c,k] = dy[o,c,k]`, plus `dy[o,C,k] token[t]` where `c = first + t`, and
 * `dtoken[t] = sum_{o,k} w[o,first+t,k] dy[o,C,k]`.
 *
 * Inputs `[w, token, dy]`; outputs like w and token.
 */
export const appendTokenChannelGradient: OpDef<TokenChannelAttrs> = {
  name: "appendTokenChannelGradient",
  accumulates: [0, 1],
  infer([w, token], attrs) {
    checkToken("appendTokenChannelGradient", w, token, attrs);
    return [w, token];
  },
  cost(inputs, outputs) {
    const { outs, taps, filled } = extents(inputs[0], inputs[1]);
    return streamCost(inputs, outputs, 4 * outs * taps * filled);
  },
  lower(request) {
    const { inputs: [w, token], attrs: { first }, device } = request;
    const [dw, dtoken] = [output(0, "dw"), output(1, "dtoken")];
    const [weights, tokens] = [storeOf(request, 0), storeOf(request, 1)];
    const at = extents(w, token);
    const threads = treeThreads(device);
    return {
      variant: "one workgroup a token, then one thread eight weights",
      scratch: [],
      kernels: [kernel({
        label: `appendTokenChannel.dw ${shapeText(w)}`,
        device,
        workgroupSize: threads,
        bindings: [input(0, "w"), input(1, "token"), input(2, "dy"), dw, dtoken],
        declarations: treeSum("tree", threads, device),
        params: { total: count([w]), first, ...at, ...weights.params, ...tokens.params },
        groups: at.filled + Math.ceil(count([w]) / (threads * PER_THREAD)),
        body: `
if (group < p.filled) {
  var sum = 0.0;
  for (var i = lid; i < p.outs * p.taps; i += ${threads}u) {
    let o = i / p.taps; let k = i % p.taps;
    sum += w[(o * p.channels + p.first + group) * p.taps + k] * dy[(o * (p.channels + 1u) + p.channels) * p.taps + k];
  }
  let all = treeSum(lid, vec4f(sum, 0.0, 0.0, 0.0)).x;
  if (lid == 0u) { ${tokens.into(dtoken, "group", "all")} }
  return;
}
let start = (group - p.filled) * ${threads * PER_THREAD}u + lid;
for (var at = start; at < min(p.total, start + ${threads * PER_THREAD}u); at += ${threads}u) {
  let k = at % p.taps; let c = at / p.taps % p.channels; let o = at / (p.taps * p.channels);
  let row = o * (p.channels + 1u) * p.taps;
  var value = dy[row + c * p.taps + k];
  if (c >= p.first && c < p.first + p.filled) { value += dy[row + p.channels * p.taps + k] * token[c - p.first]; }
  ${weights.into(dw, "at", "value")}
}`,
      })],
    };
  },
  reference({ inputs: [w, token, dy], inputSpecs, attrs: { first } }) {
    const { outs, channels, taps, filled } = extents(inputSpecs[0], inputSpecs[1]);
    const dw = new Float64Array(w.length);
    const dtoken = new Float64Array(filled);
    for (let o = 0; o < outs; o++) {
      const row = o * channels * taps;
      const start = o * (channels + 1) * taps;
      dw.set(dy.subarray(start, start + channels * taps), row);
      for (let t = 0; t < filled; t++) {
        for (let k = 0; k < taps; k++) {
          const [at, flow] = [row + (first + t) * taps + k, dy[start + channels * taps + k]];
          dw[at] += flow * token[t];
          dtoken[t] += w[at] * flow;
        }
      }
    }
    return [dw, dtoken];
  },
};
