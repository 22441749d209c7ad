/** Float64 loops of the Dice and cross-entropy loss. */
import type { DiceCeAttrs } from "./op.ts";
import { noOverlap, type OverlapLoss, overlapLoss, type OverlapSizes } from "./overlap.ts";

/** Results of {@link diceCeForward}, named as the outputs of the operation. */
export interface DiceCeResult extends OverlapLoss {
  readonly logSum: Float64Array;
}

/** Whether a voxel of this label counts. */
function counts(label: number, { ignoreLabel }: DiceCeAttrs): boolean {
  return label >= 0 && label !== ignoreLabel;
}

/** Loss, its terms, log of the summed exponentials of every voxel, and what the gradient needs of every class. */
export function diceCeForward(
  logits: Float64Array,
  labels: Float64Array,
  sizes: OverlapSizes,
  attrs: DiceCeAttrs,
): DiceCeResult {
  const { n, c, voxels } = sizes;
  const logSum = new Float64Array(n * voxels);
  const sums = noOverlap(sizes);
  for (let s = 0; s < n; s++) {
    for (let v = 0; v < voxels; v++) {
      const x = Array.from({ length: c }, (_, k) => logits[(s * c + k) * voxels + v]);
      const top = Math.max(...x);
      const whole = top + Math.log(x.reduce((sum, value) => sum + Math.exp(value - top), 0));
      logSum[s * voxels + v] = whole;
      const label = labels[s * voxels + v];
      if (!counts(label, attrs)) continue;
      x.forEach((value, k) => {
        const probability = Math.exp(value - whole);
        const sum = sums[s * c + k];
        sum.sizes += probability;
        if (k !== label) return;
        sum.overlap += probability;
        sum.sizes++;
        sum.counted++;
        sum.entropy += whole - value;
      });
    }
  }
  return { ...overlapLoss(sums, sizes, attrs.doBackground ? 0 : 1, attrs), logSum };
}

/** Gradient with respect to the logits, times `dloss`. */
export function diceCeBackward(
  logits: Float64Array,
  labels: Float64Array,
  { logSum, coefficients, terms }: Omit<DiceCeResult, "loss">,
  dloss: number,
  { n, c, voxels }: OverlapSizes,
  attrs: DiceCeAttrs,
): Float64Array {
  const dx = new Float64Array(logits.length);
  for (let s = 0; s < n; s++) {
    for (let v = 0; v < voxels; v++) {
      const label = labels[s * voxels + v];
      if (!counts(label, attrs)) continue;
      const at = (k: number) => (s * c + k) * voxels + v;
      const probability = Array.from(
        { length: c },
        (_, k) => Math.exp(logits[at(k)] - logSum[s * voxels + v]),
      );
      const slope = probability.map((_, k) =>
        (k === label ? coefficients[(s * c + k) * 2] : 0) + coefficients[(s * c + k) * 2 + 1]
      );
      const mean = probability.reduce((sum, p, k) => sum + p * slope[k], 0);
      probability.forEach((p, k) => {
        const dice = p * (slope[k] - mean);
        const crossEntropy = (p - (k === label ? 1 : 0)) / Math.max(terms[2], 1);
        dx[at(k)] = dloss * (attrs.diceWeight * dice + attrs.ceWeight * crossEntropy);
      });
    }
  }
  return dx;
}
