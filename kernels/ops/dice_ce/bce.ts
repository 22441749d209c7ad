/** Segmentation loss of regions that may overlap: soft Dice plus binary cross-entropy over sigmoids, and its gradient. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, load, store } from "../../wgsl/module.ts";
import { elementOf } from "../channelwise.ts";
import { count, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";
import { lowerLogitGradient } from "./logit_gradient.ts";
import {
  noOverlap,
  type OverlapAttrs,
  overlapKernels,
  overlapLoss,
  overlapScratch,
  type OverlapSizes,
  overlapSizes,
} from "./overlap.ts";

const sizesOf = (op: string, inputs: readonly TensorSpec[]): OverlapSizes =>
  overlapSizes(op, inputs, "targets");

/** `1 / (1 + exp(-x))`, with `exp(-|x|)` so that nothing overflows. */
function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

/**
 * `diceWeight * L_dice + ceWeight * L_bce` with `p = sigmoid(logits)` and targets `g`:
 * `L_dice = -mean (2 sum p g + smooth) / max(sum p + sum g + smooth, 1e-8)` over all regions (and samples unless `batchDice`),
 * `L_bce = -mean (g log p + (1 - g) log(1 - p))` over the elements that count, 0 when none does.
 *
 * Inputs: logits `[N, R, D, H, W]`, f32 or f16; targets `[N, R, D, H, W]`, 0 or 1, negative where an element counts in no term,
 * see `regionTargets`. Outputs: loss `[1]`; terms `[4]` = L_dice, L_bce, elements that count, 0; `[N, R, 2]` = derivative of
 * L_dice by `sum p g` and by `sum p`. All but the logits are f32. Targets get no gradient.
 * @throws {ShapeError} when the shapes do not fit
 * Source: nnU-Net's Dice and BCE loss of region-based training. With an ignore label nnU-Net divides the cross-entropy by
 * voxels, not by elements, and so makes it R times as large; here it is a mean with and without one.
 */
export const diceBce: OpDef<OverlapAttrs> = {
  name: "diceBce",
  infer(inputs) {
    const { n, c } = sizesOf("diceBce", inputs);
    return [tensor([1]), tensor([4]), tensor([n, c, 2])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 14 * count(inputs)),
  lower({ inputs, attrs, device }) {
    const spec = inputs[0];
    const x = input(0, "x", elementOf(spec));
    return {
      variant: attrs.batchDice ? "batch" : "sample",
      scratch: overlapScratch(spec),
      kernels: overlapKernels({
        label: `diceBce ${shapeText(spec)}`,
        device,
        spec,
        attrs,
        first: 0,
        outputs: { loss: 0, terms: 1, coefficients: 2 },
        bindings: [x, input(1, "targets")],
        each: `let logit = ${load(x, "i")}; let goal = max(targets[i], V());
    let one = select(V(), V(1.0), targets[i] >= V());
    let e = exp(-abs(logit));
    let probability = select(e, V(1.0), logit >= V()) / (V(1.0) + e);
    overlap += one * probability * goal; sizes += one * (probability + goal); counted += one;
    entropy += one * (max(logit, V()) - logit * goal + log(V(1.0) + e));`,
      }),
    };
  },
  gradient({ inputs: [x, targets], outputs: [, terms, coefficients], gradients: [dloss], attrs, apply }) {
    return [dloss ? apply(diceBceGradient, [x, targets, terms, coefficients, dloss], attrs)[0] : null, null];
  },
  reference({ inputs: [x, targets], inputSpecs, attrs }) {
    const sizes = sizesOf("diceBce", inputSpecs);
    const sums = noOverlap(sizes);
    x.forEach((logit, i) => {
      const g = targets[i];
      if (g < 0) return;
      const sum = sums[Math.floor(i / sizes.voxels)];
      sum.overlap += sigmoid(logit) * g;
      sum.sizes += sigmoid(logit) + g;
      sum.counted++;
      sum.entropy += Math.max(logit, 0) - logit * g + Math.log1p(Math.exp(-Math.abs(logit)));
    });
    const { loss, terms, coefficients } = overlapLoss(sums, sizes, 0, attrs);
    return [loss, terms, coefficients];
  },
};

/**
 * Gradient of {@link diceBce} with respect to the logits; 0 at elements that do not count.
 *
 * `p (1 - p) (u g + v)` from the coefficients for Dice, `(p - g) / elements` for cross-entropy.
 * Inputs `[logits, targets, terms, coefficients, dloss]`; output like the logits, in their type: f16 needs a scaled `dloss`.
 * May overwrite the logits.
 */
export const diceBceGradient: OpDef<OverlapAttrs> = {
  name: "diceBceGradient",
  mayOverwrite: [[0, 0]],
  infer(inputs) {
    sizesOf("diceBceGradient", inputs);
    return [inputs[0]];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 14 * count(inputs)),
  lower: (request) =>
    lowerLogitGradient(request, {
      name: "diceBce",
      walks: request.inputs[0],
      reads: [
        input(1, "targets"),
        input(2, "terms", "f32"),
        input(3, "coefficients", "vec2f"),
        input(4, "dloss", "f32"),
      ],
      before:
        `let slopes = p.diceWeight * coefficients[nc]; let entropyScale = p.ceWeight / max(terms[2], 1.0);
let factor = dloss[0];`,
      each: (x, dx) =>
        `let logit = ${load(x, "i")}; let goal = targets[i];
    let e = exp(-abs(logit)); let below = V(1.0) + e;
    let probability = select(e, V(1.0), logit >= V()) / below;
    let dice = e / (below * below) * (slopes.x * goal + V(slopes.y));
    ${store(dx, "i", "select(V(), factor * (dice + entropyScale * (probability - goal)), goal >= V())")}`,
    }),
  reference({ inputs: [x, targets, terms, coefficients, dloss], inputSpecs, attrs }) {
    const { voxels } = sizesOf("diceBceGradient", inputSpecs);
    return [x.map((logit, i) => {
      const g = targets[i];
      if (g < 0) return 0;
      const at = Math.floor(i / voxels) * 2;
      const p = sigmoid(logit);
      const dice = p * (1 - p) * (coefficients[at] * g + coefficients[at + 1]);
      return dloss[0] * (attrs.diceWeight * dice + attrs.ceWeight * (p - g) / Math.max(terms[2], 1));
    })];
  },
};
