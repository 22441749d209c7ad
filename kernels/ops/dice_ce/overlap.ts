/** What the losses of labels and of regions share: from sums over voxels to Dice, cross-entropy and their slopes. */
import { type DeviceFacts, type KernelSpec, tensor, type TensorSpec } from "../../spec.ts";
import { type Binding, kernel, output, scratch } from "../../wgsl/module.ts";
import { type ChannelMapDraft, channelSums, finishPerSample, partialSpec } from "../channelwise.ts";
import { require, requireFloat, requireSingle, sameShape, volume } from "../check.ts";

/** Attributes that both losses have. */
export interface OverlapAttrs {
  /** Sum overlaps over the batch before dividing; otherwise each sample has a Dice of its own. */
  readonly batchDice: boolean;
  /** Added to numerator and denominator; nnU-Net uses 1e-5. */
  readonly smooth: number;
  readonly diceWeight: number;
  readonly ceWeight: number;
}

/** Extents of logits `[N, C, ...voxels]`. */
export interface OverlapSizes {
  readonly n: number;
  readonly c: number;
  readonly voxels: number;
}

/** Loss `[1]`; its terms `[4]` = Dice, cross-entropy, what was counted, 0; derivatives of Dice `[N, C, 2]`. */
export interface OverlapLoss {
  readonly loss: Float64Array;
  readonly terms: Float64Array;
  readonly coefficients: Float64Array;
}

/** Smallest denominator of a Dice coefficient. */
const LEAST = 1e-8;

/** Extents of logits that belong to targets of `channels` channels (all of theirs when left out). @throws {ShapeError} */
export function overlapSizes(
  op: string,
  [logits, targets]: readonly TensorSpec[],
  name: string,
  channels?: number,
): OverlapSizes {
  const { n, c, size, voxels } = volume(op, "logits", logits);
  requireFloat(op, "logits", logits);
  const wanted = [n, channels ?? c, ...size];
  require(
    sameShape(targets.shape, wanted),
    op,
    `${name} have shape [${targets.shape}], wanted [${wanted}]`,
    targets.shape,
    wanted,
  );
  requireSingle(op, name, targets);
  return { n, c, voxels };
}

/** Scratch tensors of {@link overlapKernels}: partial sums, sums `[N * C, 4]`. */
export function overlapScratch(logits: TensorSpec): TensorSpec[] {
  return [partialSpec(logits), tensor([logits.shape[0] * logits.shape[1], 4])];
}

/**
 * Sums over the voxels of every channel, and the loss from them.
 *
 * @param draft.each WGSL for one element that adds to `overlap` (p g), `sizes` (p + g), `counted` and `entropy`
 * @param draft.first first channel that takes part in Dice
 * @param draft.outputs numbers of the outputs loss, terms and coefficients
 */
export function overlapKernels(
  draft: Pick<ChannelMapDraft, "label" | "device" | "spec" | "bindings" | "params" | "each"> & {
    readonly first: number;
    readonly attrs: OverlapAttrs;
    readonly outputs: { readonly loss: number; readonly terms: number; readonly coefficients: number };
  },
): KernelSpec[] {
  const { label, device, spec } = draft;
  const sums = (access: "read" | "read_write"): Binding => scratch(1, "sums", access, "vec4f");
  return [
    channelSums({
      ...draft,
      lanes: true,
      partial: 0,
      before: "var overlap = V(); var sizes = V(); var counted = V(); var entropy = V();",
      after: "sum = vec4f(total(overlap), total(sizes), total(counted), total(entropy));",
    }),
    finishPerSample({
      label,
      device,
      spec,
      partial: 0,
      bindings: [sums("read_write")],
      store: "sums[nc] = sum;",
    }),
    lossKernel(`${label} loss`, device, sums("read"), draft),
  ];
}

function lossKernel(
  label: string,
  device: DeviceFacts,
  sums: Binding,
  { spec, first, attrs, outputs }: Pick<
    Parameters<typeof overlapKernels>[0],
    "spec" | "first" | "attrs" | "outputs"
  >,
): KernelSpec {
  const [n, c] = spec.shape;
  return kernel({
    label,
    device,
    workgroupSize: 1,
    bindings: [
      sums,
      output(outputs.loss, "loss"),
      output(outputs.terms, "terms"),
      output(outputs.coefficients, "coefficients", "vec2f"),
    ],
    params: {
      samples: n,
      channels: c,
      first,
      diceSamples: attrs.batchDice ? 1 : n,
      smooth_: { f32: attrs.smooth },
      diceWeight: { f32: attrs.diceWeight },
      ceWeight: { f32: attrs.ceWeight },
    },
    groups: 1,
    body: `
let terms_ = f32((p.channels - p.first) * p.diceSamples);
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
    let plain = s.y + p.smooth_;
    let denominator = max(plain, ${LEAST});
    var slopes = vec2f();
    if (c >= p.first) {
      if (n < p.diceSamples) { dice = dice - numerator / denominator / terms_; }
      slopes = vec2f(-2.0, select(0.0, numerator / denominator, plain > ${LEAST})) / denominator / terms_;
    }
    coefficients[n * p.channels + c] = slopes;
  }
}
let crossEntropy = entropy / max(counted, 1.0);
loss[0] = p.diceWeight * dice + p.ceWeight * crossEntropy;
terms[0] = dice; terms[1] = crossEntropy; terms[2] = counted; terms[3] = 0.0;`,
  });
}

/** Sums of one channel of a sample: p g, p + g, what was counted, cross-entropy. */
export interface OverlapSums {
  overlap: number;
  sizes: number;
  counted: number;
  entropy: number;
}

/** Sums of every channel of every sample, zero at first. */
export function noOverlap({ n, c }: OverlapSizes): OverlapSums[] {
  return Array.from({ length: n * c }, () => ({ overlap: 0, sizes: 0, counted: 0, entropy: 0 }));
}

/** Float64 form of the last kernel: the loss from the sums of every channel of every sample. */
export function overlapLoss(
  sums: readonly OverlapSums[],
  { n, c }: OverlapSizes,
  first: number,
  attrs: OverlapAttrs,
): OverlapLoss {
  const total = (parts: readonly OverlapSums[], name: keyof OverlapSums) =>
    parts.reduce((sum, part) => sum + part[name], 0);
  const terms = (c - first) * (attrs.batchDice ? 1 : n);
  const coefficients = new Float64Array(n * c * 2);
  let dice = 0;
  for (let s = 0; s < n; s++) {
    for (let k = first; k < c; k++) {
      const parts = attrs.batchDice ? sums.filter((_, i) => i % c === k) : [sums[s * c + k]];
      const numerator = 2 * total(parts, "overlap") + attrs.smooth;
      const plain = total(parts, "sizes") + attrs.smooth;
      const denominator = Math.max(plain, LEAST);
      if (!attrs.batchDice || s === 0) dice -= numerator / denominator / terms;
      coefficients[(s * c + k) * 2] = -2 / denominator / terms;
      coefficients[(s * c + k) * 2 + 1] = plain > LEAST ? numerator / denominator ** 2 / terms : 0;
    }
  }
  const counted = total(sums, "counted");
  const crossEntropy = total(sums, "entropy") / Math.max(counted, 1);
  return {
    loss: Float64Array.of(attrs.diceWeight * dice + attrs.ceWeight * crossEntropy),
    terms: Float64Array.of(dice, crossEntropy, counted, 0),
    coefficients,
  };
}
