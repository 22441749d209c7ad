/** Segmentation loss: soft Dice plus cross-entropy over softmax probabilities, and its gradient. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, load, output, store } from "../../wgsl/module.ts";
import { channelMap, elementOf } from "../channelwise.ts";
import { count, require, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { lowerLogitGradient } from "./logit_gradient.ts";
import {
  type OverlapAttrs,
  overlapKernels,
  overlapScratch,
  type OverlapSizes,
  overlapSizes,
} from "./overlap.ts";
import { diceCeBackward, diceCeForward } from "./reference.ts";

/** Attributes of {@link diceCe}. */
export interface DiceCeAttrs extends OverlapAttrs {
  /** Whether class 0 takes part in the Dice term. */
  readonly doBackground: boolean;
  /** Voxels with this label count in no term, nor do those with a negative one; null when there is no such label. */
  readonly ignoreLabel: number | null;
}

function sizesOf(op: string, inputs: readonly TensorSpec[], attrs: DiceCeAttrs): OverlapSizes {
  const sizes = overlapSizes(op, inputs, "labels", 1);
  const least = attrs.doBackground ? 1 : 2;
  require(sizes.c >= least, op, `logits have ${sizes.c} classes, wanted at least ${least}`, sizes.c, least);
  return sizes;
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
 * Inputs: logits `[N, C, D, H, W]`, f32 or f16; labels `[N, 1, D, H, W]`, whole numbers 0 to C - 1, `ignoreLabel`, or negative
 * for voxels that do not count (not checked on the device). Outputs: loss `[1]`; terms `[4]` = L_dice, L_ce, voxels that count,
 * 0; log of the summed exponentials `[N, 1, D, H, W]`; `[N, C, 2]` = derivative of L_dice by `sum p g` and by `sum p`. All but
 * the logits are f32. Labels get no gradient.
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
    const { c } = sizesOf("diceCe", inputs, attrs);
    const spec = inputs[0];
    const label = `diceCe ${shapeText(spec)}`;
    const x = input(0, "x", elementOf(spec));
    return {
      variant: attrs.batchDice ? "batch" : "sample",
      scratch: overlapScratch(spec),
      kernels: [
        channelMap({
          label: `${label} normaliser`,
          device,
          spec: inputs[1],
          lanes: true,
          bindings: [x, output(2, "logSum")],
          params: { classes: c },
          each: `let at = n * p.classes * p.voxels + v;
    var top = ${load(x, "at")};
    for (var o = 1u; o < p.classes; o++) { top = max(top, ${load(x, "at + o * p.voxels")}); }
    var sum = V();
    for (var o = 0u; o < p.classes; o++) { sum += exp(${load(x, "at + o * p.voxels")} - top); }
    logSum[m] = top + log(sum);`,
        }),
        ...overlapKernels({
          label,
          device,
          spec,
          attrs,
          first: attrs.doBackground ? 0 : 1,
          outputs: { loss: 0, terms: 1, coefficients: 3 },
          bindings: [x, input(1, "labels"), { ...output(2, "logSum"), access: "read" }],
          params: ignoring(attrs),
          each: `let counts = (labels[m] >= V()) & (labels[m] != V(p.ignored));
    let hit = counts & (labels[m] == V(f32(c)));
    let logProbability = ${load(x, "i")} - logSum[m];
    let probability = select(V(), exp(logProbability), counts);
    let one = select(V(), V(1.0), hit);
    overlap += one * probability; sizes += probability + one; counted += one; entropy -= select(V(), logProbability, hit);`,
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
 * Inputs `[logits, labels, terms, logSum, coefficients, dloss]`; output like the logits, in their type: f16 needs a scaled
 * `dloss`. May overwrite the logits.
 */
export const diceCeGradient: OpDef<DiceCeAttrs> = {
  name: "diceCeGradient",
  mayOverwrite: [[0, 0]],
  infer(inputs, attrs) {
    sizesOf("diceCeGradient", inputs, attrs);
    return [inputs[0]];
  },
  cost: (inputs, outputs) => streamCost([inputs[0], ...inputs], outputs, 12 * count(inputs)),
  lower(request) {
    const { inputs, attrs } = request;
    const { c } = sizesOf("diceCeGradient", inputs, attrs);
    return lowerLogitGradient(request, {
      name: "diceCe",
      walks: inputs[1],
      reads: [
        input(1, "labels"),
        input(2, "terms", "f32"),
        input(3, "logSum"),
        input(4, "coefficients", "vec2f"),
        input(5, "dloss", "f32"),
      ],
      params: { classes: c, ...ignoring(attrs) },
      before: "let entropyScale = p.ceWeight / max(terms[2], 1.0); let factor = dloss[0];",
      each: (x, dx) =>
        `let at = n * p.classes * p.voxels + v;
    let label = labels[m];
    let counts = (label >= V()) & (label != V(p.ignored));
    let whole = logSum[m];
    var mean = V();
    for (var o = 0u; o < p.classes; o++) {
      let slopes = coefficients[n * p.classes + o];
      let hit = select(V(), V(1.0), label == V(f32(o)));
      mean += exp(${load(x, "at + o * p.voxels")} - whole) * (slopes.x * hit + V(slopes.y));
    }
    for (var o = 0u; o < p.classes; o++) {
      let i = at + o * p.voxels;
      let slopes = coefficients[n * p.classes + o];
      let hit = select(V(), V(1.0), label == V(f32(o)));
      let probability = exp(${load(x, "i")} - whole);
      let dice = probability * (slopes.x * hit + V(slopes.y) - mean);
      let entropy = probability - hit;
      ${store(dx, "i", "select(V(), factor * (p.diceWeight * dice + entropyScale * entropy), counts)")}
    }`,
    });
  },
  reference({ inputs: [x, labels, terms, logSum, coefficients, dloss], inputSpecs, attrs }) {
    const sizes = sizesOf("diceCeGradient", inputSpecs, attrs);
    return [diceCeBackward(x, labels, { terms, logSum, coefficients }, dloss[0], sizes, attrs)];
  },
};
