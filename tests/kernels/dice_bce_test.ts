import assert from "node:assert/strict";
import { ShapeError } from "../../kernels/errors.ts";
import { diceBce } from "../../kernels/ops/dice_ce/bce.ts";
import { diceCe } from "../../kernels/ops/dice_ce/op.ts";
import type { OverlapAttrs } from "../../kernels/ops/dice_ce/overlap.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { checkGradient, checkOp, noise, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

const plain: OverlapAttrs = { batchDice: false, smooth: 1e-5, diceWeight: 1, ceWeight: 1 };

/** Targets 0 or 1; with `ignored`, about that share of the voxels is -1 in every region. */
function targets([n, r, ...size]: number[], ignored: number, share = 0.5): Float32Array<ArrayBuffer> {
  const voxels = elementCount(size);
  const [member, counts] = [noise(n * r * voxels, 5), noise(n * voxels, 6)];
  return member.map((v, i) => {
    const voxel = Math.floor(i / (r * voxels)) * voxels + i % voxels;
    return (counts[voxel] + 1) / 2 < ignored ? -1 : Number((v + 1) / 2 < share);
  }) as Float32Array<ArrayBuffer>;
}

function loss(
  shape: number[],
  attrs: Partial<OverlapAttrs> = {},
  { scale = 3, ignored = 0, share = 0.5 } = {},
): OpCase<OverlapAttrs> {
  return {
    op: diceBce,
    attrs: { ...plain, ...attrs },
    inputs: [
      { shape, data: noise(elementCount(shape), 2).map((v) => v * scale) as Float32Array<ArrayBuffer> },
      { shape, data: targets(shape, ignored, share) },
    ],
    constant: [1],
    tolerance: { atol: 4e-6, rtol: 1e-5 },
    gradientTolerance: { atol: 2e-7, rtol: 2e-5 },
  };
}

const cases: [string, OpCase<OverlapAttrs>][] = [
  ["three regions, odd size", loss([2, 3, 5, 3, 7])],
  ["four lanes, batch Dice", loss([3, 2, 4, 6, 3], { batchDice: true })],
  ["ignored voxels", loss([2, 3, 6, 3, 5], {}, { ignored: 0.3 })],
  [
    "ignored voxels, batch Dice, weights",
    loss([2, 3, 6, 3, 5], { batchDice: true, diceWeight: 0.25, ceWeight: 0.75 }, { ignored: 0.3 }),
  ],
  ["every voxel ignored", loss([1, 2, 2, 3, 2], {}, { ignored: 2 })],
  ["a region without voxels", loss([2, 2, 4, 5, 3], {}, { share: 0 })],
  ["saturated logits", loss([1, 2, 4, 4, 4], {}, { scale: 120 })],
  ["a volume of several workgroups", loss([1, 1, 17, 19, 23])],
];

for (const [name, c] of cases) {
  gpuTest(`diceBce() with ${name}: kernels match the reference`, (gpu) => checkOp(gpu, c));
  Deno.test(`diceBce() with ${name}: gradient matches finite differences`, () => checkGradient(c));
}

for (const size of [[5, 3, 7], [4, 6, 2]]) {
  halfTest(`diceBce() of f16 logits ${size.join("x")} matches the reference`, async (gpu) => {
    const c = loss([2, 3, ...size], {}, { ignored: 0.3 });
    const [logits, goal] = c.inputs;
    await checkOp(gpu, {
      ...c,
      inputs: [{ ...logits, dtype: "f16" }, goal],
      gradientTolerance: toleranceFor(1, "f16"),
    });
  });
}

Deno.test("diceBce() of one region is diceCe() of two classes whose first logit is 0", () => {
  const [n, voxels] = [2, 60];
  const size = [3, 4, 5];
  const x = Float64Array.from(noise(n * voxels, 1), (v) => 8 * v);
  const member = Float64Array.from(noise(n * voxels, 2), (v) => v > 0.6 ? -1 : Number(v > 0));
  const twoClasses = Float64Array.from({ length: 2 * n * voxels }, (_, i) => {
    const [sample, channel] = [Math.floor(i / (2 * voxels)), Math.floor(i / voxels) % 2];
    return channel === 0 ? 0 : x[sample * voxels + i % voxels];
  });
  for (const batchDice of [false, true]) {
    const attrs = { ...plain, batchDice };
    const [wanted, wantedTerms] = diceCe.reference({
      inputs: [twoClasses, member],
      inputSpecs: [tensor([n, 2, ...size]), tensor([n, 1, ...size])],
      outputSpecs: [],
      attrs: { ...attrs, doBackground: false, ignoreLabel: null },
    });
    const [found, terms] = diceBce.reference({
      inputs: [x, member],
      inputSpecs: [tensor([n, 1, ...size]), tensor([n, 1, ...size])],
      outputSpecs: [],
      attrs,
    });
    assert.ok(Math.abs(found[0] - wanted[0]) < 1e-12, `${found[0]} ${wanted[0]}`);
    assert.equal(terms[2], wantedTerms[2]);
    assert.ok(terms[2] < n * voxels, "some voxels are ignored");
  }
});

Deno.test("diceBce() refuses targets of other channels or of another type", () => {
  const logits = tensor([1, 2, 4, 4, 4]);
  const refused = (targets: typeof logits, message: string) =>
    assert.throws(
      () => diceBce.infer([logits, targets], plain),
      (error) => error instanceof ShapeError && error.message === `Cannot apply diceBce: ${message}`,
    );
  refused(tensor([1, 1, 4, 4, 4]), "targets have shape [1,1,4,4,4], wanted [1,2,4,4,4]");
  refused(tensor([1, 2, 4, 4, 4], "f16"), "targets is f16, wanted f32");
});
