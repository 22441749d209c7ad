/** Segmentation loss: soft Dice plus cross-entropy over softmax probabilities, and its gradient. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, kernel, output, scratch, WORKGROUP } from "../../wgsl/module.ts";
import { channelSums, finishPerSample, partialSpec } from "../channelwise.ts";
import { count, require, sameShape, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { diceCeBackward, diceCeForward, type DiceCeSizes } from "./reference.ts";

/** Attributes of {@link diceCe}. */
export interface DiceCeAttrs {
  /** Sum overlaps over the batch before dividing; otherwise each sample has a Dice of its own. */
  readonly batchDice: boolean;
  /** Whether class 0 takes part in the Dice term. */
  readonly doBackground: boolean;
  /** Added to numerator and denominator; nnU-Net uses 1e-5. */
  readonly smooth: number;
  readonly diceWeight: number;
  readonly ceWeight: number;
  /** Voxels with this label count in no term; null when every voxel counts. */
  readonly ignoreLabel: number | null;
}

/** Smallest denominator of a Dice coefficient. */
const LEAST = 1e-8;

function sizesOf(op: string, inputs: readonly TensorSpec[], attrs: DiceCeAttrs): DiceCeSizes {
  const { n, c, size, voxels } = volume(op, "logits", inputs[0]);
  const least = attrs.doBackground ? 1 : 2;
  require(c >= least, op, `logits have ${c} classes, wanted at least ${least}`, c, least);
  const wanted = [n, 1, ...size];
  require(
    sameShape(inputs[1].shape, wanted),
    op,
    `labels have shape [${inputs[1].shape}], wanted [${wanted}]`,
  );
  return { n, c, voxels };
}

/** Uniforms that say which voxels count. */
function ignoring({ ignoreLabel }: DiceCeAttrs) {
  return { ignored: { f32: ignoreLabel ?? -1 } };
}

/**
 * `diceWeight * L_dice + ceWeight * L_ce` with `p = softmax(logits)` and one-hot labels `g`:
 * `L_dice = -mean (2 sum p g + smooth) / max(sum p + sum g + smooth, 1e-8)` over classes (and samples unless `batchDice`),
 * `L_ce = -mean log p[label]` over the voxels that count, 0 when none does.
 *
 * Inputs: logits `[N, C, D, H, W]`; labels `[N, 1, D, H, W]`, whole numbers 0 to C - 1 or `ignoreLabel` (not checked on the
 * device). Outputs: loss `[1]`; terms `[4]` = L_dice, L_ce, voxels that count, 0; log of the summed exponentials
 * `[N, 1, D, H, W]`; `[N, C, 2]` = derivative of L_dice by `sum p g` and by `sum p`. Labels get no gradient.
 * @throws {ShapeError} when the shapes do not fit or no class would take part
 * Source: nnU-Net's Dice and cross-entropy loss; soft Dice of Milletari et al. 2016 (arXiv:1606.04797) without squares.
 */
export const diceCe: OpDef<DiceCeAttrs> = {
  name: "diceCe",
  infer(inputs, attrs) {
    const { n, c } = sizesOf("diceCe", inputs, attrs);
    return [tensor([1]), tensor([4]), tensor(inputs[1].shape), tensor([n, c, 2])];
  },
  cost: (inputs, outputs) => streamCost([inputs[0], ...inputs], outputs, 12 * count(inputs)),
  lower({ inputs, attrs, device }) {
    const { n, c, voxels } = sizesOf("diceCe", inputs, attrs);
    const spec = inputs[0];
    const label = `diceCe ${shapeText(spec)}`;
    return {
      variant: attrs.batchDice ? "batch" : "sample",
      scratch: [partialSpec(spec), tensor([n * c, 4])],
      kernels: [
        kernel({
          label: `${label} normaliser`,
          device,
          bindings: [input(0, "x"), output(2, "logSum")],
          params: { channels: c, voxels, total: n * voxels },
          groups: Math.ceil(n * voxels / WORKGROUP),
          body: `
if (tid >= p.total) { return; }
let first = (tid / p.voxels) * p.channels * p.voxels + tid % p.voxels;
var top = x[first];
for (var c = 1u; c < p.channels; c++) { top = max(top, x[first + c * p.voxels]); }
var sum = 0.0;
for (var c = 0u; c < p.channels; c++) { sum = sum + exp(x[first + c * p.voxels] - top); }
logSum[tid] = top + log(sum);`,
        }),
        channelSums({
          label,
          device,
          spec,
          partial: 0,
          bindings: [input(0, "x"), input(1, "labels"), { ...output(2, "logSum"), access: "read" }],
          params: ignoring(attrs),
          each: `if (labels[m] != p.ignored) {
            let logProbability = x[i] - logSum[m];
            let probability = exp(logProbability);
            sum = sum + select(vec4f(0.0, probability, 0.0, 0.0), vec4f(probability, probability, 1.0, -logProbability),
              u32(labels[m]) == c);
          }`,
        }),
        finishPerSample({
          label,
          device,
          spec,
          partial: 0,
          bindings: [scratch(1, "sums", "read_write", "vec4f")],
          store: "sums[nc] = sum;",
        }),
        kernel({
          label: `${label} loss`,
          device,
          workgroupSize: 1,
          bindings: [
            scratch(1, "sums", "read", "vec4f"),
            output(0, "loss"),
            output(1, "terms"),
            output(3, "coefficients", "vec2f"),
          ],
          params: {
            samples: n,
            channels: c,
            first: attrs.doBackground ? 0 : 1,
            diceSamples: attrs.batchDice ? 1 : n,
            smooth_: { f32: attrs.smooth },
            diceWeight: { f32: attrs.diceWeight },
            ceWeight: { f32: attrs.ceWeight },
          },
          groups: 1,
          body: `
let regions = f32((p.channels - p.first) * p.diceSamples);
var dice = 0.0;
var entropy = 0.0;
var counted = 0.0;
for (var c = 0u; c < p.channels; c++) {
  var whole = vec4f();
  for (var n = 0u; n < p.samples; n++) { whole = whole + sums[n * p.channels + c]; }
  entropy = entropy + whole.w;
  counted = counted + whole.z;
  for (var n = 0u; n < p.samples; n++) {
    let s = select(sums[n * p.channels + c], whole, p.diceSamples == 1u);
    let numerator = 2.0 * s.x + p.smooth_;
    let plain = s.y + s.z + p.smooth_;
    let denominator = max(plain, ${LEAST});
    var slopes = vec2f();
    if (c >= p.first) {
      if (n < p.diceSamples) { dice = dice - numerator / denominator / regions; }
      slopes = vec2f(-2.0, select(0.0, numerator / denominator, plain > ${LEAST})) / denominator / regions;
    }
    coefficients[n * p.channels + c] = slopes;
  }
}
let crossEntropy = entropy / max(counted, 1.0);
loss[0] = p.diceWeight * dice + p.ceWeight * crossEntropy;
terms[0] = dice; terms[1] = crossEntropy; terms[2] = counted; terms[3] = 0.0;`,
        }),
      ],
    };
  },
  gradient(
    { inputs: [x, labels], outputs: [, terms, logSum, coefficients], gradients: [dloss], attrs, apply },
  ) {
    if (!dloss) return [null, null];
    return [apply(diceCeGradient, [x, labels, terms, logSum, coefficients, dloss], attrs)[0], null];
  },
  reference({ inputs: [x, labels], inputSpecs, attrs }) {
    const r = diceCeForward(x, labels, sizesOf("diceCe", inputSpecs, attrs), attrs);
    return [r.loss, r.terms, r.logSum, r.coefficients];
  },
};

/**
 * Gradient of {@link diceCe} with respect to the logits; 0 at voxels that do not count.
 *
 * With `a_c = u_c g_c + v_c` from the coefficients: `p_c (a_c - sum_k p_k a_k)` for Dice, `(p_c - g_c) / voxels` for cross-entropy.
 * Inputs `[logits, labels, terms, logSum, coefficients, dloss]`; output like the logits. May overwrite the logits.
 */
export const diceCeGradient: OpDef<DiceCeAttrs> = {
  name: "diceCeGradient",
  mayOverwrite: [[0, 0]],
  infer(inputs, attrs) {
    sizesOf("diceCeGradient", inputs, attrs);
    return [inputs[0]];
  },
  cost: (inputs, outputs) => streamCost([inputs[0], ...inputs], outputs, 12 * count(inputs)),
  lower({ inputs, attrs, inPlace, device }) {
    const { n, c, voxels } = sizesOf("diceCeGradient", inputs, attrs);
    const overwrite = inPlace.length > 0;
    const x = overwrite ? "dx" : "x";
    return {
      variant: overwrite ? "in place" : "copy",
      scratch: [],
      kernels: [kernel({
        label: `diceCe.dlogits ${shapeText(inputs[0])}${overwrite ? " in place" : ""}`,
        device,
        bindings: [
          ...(overwrite ? [] : [input(0, "x")]),
          input(1, "labels"),
          input(2, "terms"),
          input(3, "logSum"),
          input(4, "coefficients", "vec2f"),
          input(5, "dloss"),
          output(0, "dx"),
        ],
        params: {
          channels: c,
          voxels,
          total: n * voxels,
          ...ignoring(attrs),
          diceWeight: { f32: attrs.diceWeight },
          ceWeight: { f32: attrs.ceWeight },
        },
        groups: Math.ceil(n * voxels / WORKGROUP),
        body: `
if (tid >= p.total) { return; }
let n = tid / p.voxels;
let first = n * p.channels * p.voxels + tid % p.voxels;
let counts = labels[tid] != p.ignored;
let label = select(0u, u32(labels[tid]), counts);
let whole = logSum[tid];
var mean = 0.0;
for (var c = 0u; c < p.channels; c++) {
  let slopes = coefficients[n * p.channels + c];
  mean = mean + exp(${x}[first + c * p.voxels] - whole) * (slopes.y + select(0.0, slopes.x, c == label));
}
let entropyScale = p.ceWeight / max(terms[2], 1.0);
for (var c = 0u; c < p.channels; c++) {
  let i = first + c * p.voxels;
  let probability = exp(${x}[i] - whole);
  let slopes = coefficients[n * p.channels + c];
  let dice = probability * (slopes.y + select(0.0, slopes.x, c == label) - mean);
  let entropy = probability - select(0.0, 1.0, c == label);
  dx[i] = select(0.0, dloss[0] * (p.diceWeight * dice + entropyScale * entropy), counts);
}`,
      })],
    };
  },
  reference({ inputs: [x, labels, terms, logSum, coefficients, dloss], inputSpecs, attrs }) {
    const sizes = sizesOf("diceCeGradient", inputSpecs, attrs);
    return [diceCeBackward(x, labels, { terms, logSum, coefficients }, dloss[0], sizes, attrs)];
  },
};
