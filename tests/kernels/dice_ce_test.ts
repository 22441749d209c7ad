import { ShapeError } from "../../kernels/errors.ts";
import { Graph } from "../../kernels/graph/graph.ts";
import { diceCe, type DiceCeAttrs } from "../../kernels/ops/dice_ce/op.ts";
import { elementCount, tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { halfTest } from "../support/half.ts";
import { checkGradient, checkOp, noise, type OpCase } from "../support/ops.ts";
import { toleranceFor } from "../support/tolerance.ts";

/** Labels `least` to `top`, from noise. */
function labels(shape: number[], least: number, top: number): Float32Array<ArrayBuffer> {
  return noise(elementCount(shape), 5).map((v) =>
    Math.min(top, least + Math.floor((v + 1) / 2 * (top - least + 1)))
  ) as Float32Array<
    ArrayBuffer
  >;
}

function loss(
  shape: number[],
  attrs: Partial<DiceCeAttrs> = {},
  top = shape[1] - 1,
  scale = 3,
  least = 0,
): OpCase<DiceCeAttrs> {
  const [n, , ...size] = shape;
  return {
    op: diceCe,
    attrs: {
      batchDice: false,
      doBackground: false,
      smooth: 1e-5,
      diceWeight: 1,
      ceWeight: 1,
      ignoreLabel: null,
      ...attrs,
    },
    inputs: [
      { shape, data: noise(elementCount(shape), 2).map((v) => v * scale) as Float32Array<ArrayBuffer> },
      { shape: [n, 1, ...size], data: labels([n, 1, ...size], least, top) },
    ],
    constant: [1],
    tolerance: { atol: 4e-6, rtol: 1e-5 },
    gradientTolerance: { atol: 2e-7, rtol: 2e-5 },
  };
}

const cases: [string, OpCase<DiceCeAttrs>][] = [
  ["two classes, odd size", loss([2, 2, 5, 3, 7])],
  ["five classes, batch Dice", loss([3, 5, 4, 6, 3], { batchDice: true })],
  ["background included", loss([2, 3, 5, 4, 4], { doBackground: true })],
  ["a class without voxels", loss([2, 4, 4, 5, 3], {}, 2)],
  ["an ignore label", loss([2, 3, 6, 3, 5], { ignoreLabel: 3 }, 3)],
  [
    "an ignore label, batch Dice, weights",
    loss([2, 3, 6, 3, 5], {
      ignoreLabel: 2,
      batchDice: true,
      diceWeight: 0.25,
      ceWeight: 0.75,
    }),
  ],
  ["negative labels", loss([2, 3, 6, 3, 5], {}, 2, 3, -1)],
  ["negative labels and an ignore label", loss([2, 3, 4, 3, 5], { ignoreLabel: 3 }, 3, 3, -1)],
  ["every voxel ignored", loss([1, 2, 2, 3, 2], { ignoreLabel: 0 }, 0)],
  ["one voxel", loss([1, 3, 1, 1, 1])],
  ["saturated logits", loss([1, 2, 4, 4, 4], {}, 1, 40)],
  ["a volume of several workgroups", loss([1, 3, 17, 19, 23])],
];

for (const [name, c] of cases) {
  gpuTest(`diceCe() with ${name}: kernels match the reference`, (gpu) => checkOp(gpu, c));
  Deno.test(`diceCe() with ${name}: gradient matches finite differences`, () => checkGradient(c));
}

for (const size of [[5, 3, 7], [4, 6, 2]]) {
  halfTest(`diceCe() of f16 logits ${size.join("x")} matches the reference`, async (gpu) => {
    const c = loss([2, 3, ...size], { ignoreLabel: 3 }, 3);
    const [logits, truth] = c.inputs;
    await checkOp(gpu, {
      ...c,
      inputs: [{ ...logits, dtype: "f16" }, truth],
      gradientTolerance: toleranceFor(1, "f16"),
    });
  });
}

Deno.test("diceCe() of a perfect prediction is -1 plus almost no cross-entropy", () => {
  const shape = [1, 2, 2, 2, 2];
  const target = Float64Array.of(0, 0, 0, 0, 1, 1, 1, 1);
  const logits = Float64Array.from({ length: 16 }, (_, i) => (i < 8 ? 1 - target[i] : target[i - 8]) * 60);
  const [value, terms] = diceCe.reference({
    inputs: [logits, target],
    inputSpecs: [tensor(shape), tensor([1, 1, 2, 2, 2])],
    outputSpecs: [],
    attrs: loss(shape).attrs,
  });
  if (Math.abs(value[0] + 1) > 1e-9 || terms[2] !== 8) {
    throw new Error(`found ${value[0]} over ${terms[2]} voxels`);
  }
});

Deno.test("diceCe() refuses labels of another size and logits without foreground", () => {
  const graph = new Graph();
  const attrs = loss([1, 2, 1, 1, 1]).attrs;
  const x = graph.input("x", tensor([1, 2, 4, 4, 4]));
  const attempts: [string, () => unknown][] = [
    [
      "labels have shape [1,1,4,4,3], wanted [1,1,4,4,4]",
      () => graph.apply(diceCe, [x, graph.input("l", tensor([1, 1, 4, 4, 3]))], attrs),
    ],
    [
      "logits have 1 classes, wanted at least 2",
      () =>
        graph.apply(diceCe, [
          graph.input("y", tensor([1, 1, 4, 4, 4])),
          graph.input("k", tensor([1, 1, 4, 4, 4])),
        ], attrs),
    ],
  ];
  for (const [wanted, attempt] of attempts) {
    let message = "no error";
    try {
      attempt();
    } catch (error) {
      if (error instanceof ShapeError) message = error.message;
    }
    if (!message.includes(wanted)) throw new Error(`found "${message}", wanted "${wanted}"`);
  }
});
