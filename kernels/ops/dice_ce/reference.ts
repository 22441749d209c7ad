/** Float64 loops of the Dice and cross-entropy loss. */
import type { DiceCeAttrs } from "./op.ts";

/** Extents of logits `[N, C, ...voxels]`. */
export interface DiceCeSizes {
  readonly n: number;
  readonly c: number;
  readonly voxels: number;
}

/** Results of {@link diceCeForward}, named as the outputs of the operation. */
export interface DiceCeResult {
  readonly loss: Float64Array;
  readonly terms: Float64Array;
  readonly logSum: Float64Array;
  readonly coefficients: Float64Array;
}

/** Loss, its terms, log of the summed exponentials of every voxel, and what the gradient needs of every class. */
export function diceCeForward(
  logits: Float64Array,
  labels: Float64Array,
  { n, c, voxels }: DiceCeSizes,
  attrs: DiceCeAttrs,
): DiceCeResult {
  const logSum = new Float64Array(n * voxels);
  const sums = Array.from({ length: n * c }, () => ({ overlap: 0, predicted: 0, labelled: 0 }));
  let entropy = 0;
  let counted = 0;
  for (let s = 0; s < n; s++) {
    for (let v = 0; v < voxels; v++) {
      const x = Array.from({ length: c }, (_, k) => logits[(s * c + k) * voxels + v]);
      const top = Math.max(...x);
      const whole = top + Math.log(x.reduce((sum, value) => sum + Math.exp(value - top), 0));
      logSum[s * voxels + v] = whole;
      const label = labels[s * voxels + v];
      if (label === attrs.ignoreLabel) continue;
      counted++;
      entropy += whole - x[label];
      x.forEach((value, k) => {
        const probability = Math.exp(value - whole);
        const sum = sums[s * c + k];
        sum.predicted += probability;
        if (k === label) {
          sum.overlap += probability;
          sum.labelled++;
        }
      });
    }
  }
  const first = attrs.doBackground ? 0 : 1;
  const regions = (c - first) * (attrs.batchDice ? 1 : n);
  const coefficients = new Float64Array(n * c * 2);
  let dice = 0;
  for (let s = 0; s < n; s++) {
    for (let k = first; k < c; k++) {
      const parts = attrs.batchDice ? sums.filter((_, i) => i % c === k) : [sums[s * c + k]];
      const total = (name: "overlap" | "predicted" | "labelled") =>
        parts.reduce((sum, p) => sum + p[name], 0);
      const numerator = 2 * total("overlap") + attrs.smooth;
      const plain = total("predicted") + total("labelled") + attrs.smooth;
      const denominator = Math.max(plain, 1e-8);
      if (!attrs.batchDice || s === 0) dice -= numerator / denominator / regions;
      coefficients[(s * c + k) * 2] = -2 / denominator / regions;
      coefficients[(s * c + k) * 2 + 1] = plain > 1e-8 ? numerator / denominator ** 2 / regions : 0;
    }
  }
  const crossEntropy = entropy / Math.max(counted, 1);
  return {
    loss: Float64Array.of(attrs.diceWeight * dice + attrs.ceWeight * crossEntropy),
    terms: Float64Array.of(dice, crossEntropy, counted, 0),
    logSum,
    coefficients,
  };
}

/** Gradient with respect to the logits, times `dloss`. */
export function diceCeBackward(
  logits: Float64Array,
  labels: Float64Array,
  { logSum, coefficients, terms }: Omit<DiceCeResult, "loss">,
  dloss: number,
  { n, c, voxels }: DiceCeSizes,
  attrs: DiceCeAttrs,
): Float64Array {
  const dx = new Float64Array(logits.length);
  for (let s = 0; s < n; s++) {
    for (let v = 0; v < voxels; v++) {
      const label = labels[s * voxels + v];
      if (label === attrs.ignoreLabel) continue;
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
