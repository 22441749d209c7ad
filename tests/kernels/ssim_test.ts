import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { differentiate } from "../../kernels/graph/gradient.ts";
import { interpret } from "../../kernels/graph/interpret.ts";
import { add } from "../../kernels/ops/add/op.ts";
import { gaussianAxis, gaussianAxisAdjoint } from "../../kernels/ops/ssim/gaussian_axis.ts";
import { halve } from "../../kernels/ops/ssim/halve.ts";
import { hideVisible } from "../../kernels/ops/ssim/hide_visible.ts";
import { msSsimLoss, ssimLoss } from "../../kernels/ops/ssim/loss.ts";
import { minMaxRescale } from "../../kernels/ops/ssim/min_max_rescale.ts";
import { moments } from "../../kernels/ops/ssim/moments.ts";
import { similarityLoss } from "../../kernels/ops/ssim/score.ts";
import { similarityMean } from "../../kernels/ops/ssim/similarity_mean.ts";
import { gaussianWindow } from "../../kernels/ops/ssim/window.ts";
import { elementCount, type OpDef, tensor } from "../../kernels/spec.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkGradient, checkOp, noise, type OpCase, runOnGpu } from "../support/ops.ts";
import { assertAllClose, toleranceFor } from "../support/tolerance.ts";

type Data = Float32Array<ArrayBuffer>;

/** Noise moved into [0.1, 0.9]. */
function positive(shape: readonly number[], seed: number): Data {
  return noise(elementCount(shape), seed).map((v) => 0.5 + 0.4 * v) as Data;
}

/** Cells 0 and 1 by sign of noise. */
function cells(shape: readonly number[], seed: number): Data {
  return noise(elementCount(shape), seed).map((v) => v > 0 ? 1 : 0) as Data;
}

/** Moments as smoothing makes them: variances positive, correlations below 1. */
function smoothedMoments(n: number, c: number, size: readonly number[]): Data {
  const total = n * c * elementCount(size);
  const [a, b, s, t, r] = [1, 2, 3, 4, 5].map((seed) => positive([total], seed));
  const m = new Float32Array(5 * total);
  for (let i = 0; i < total; i++) {
    const variances = [0.05 * s[i], 0.05 * t[i]];
    const covariance = (2 * r[i] - 1) * Math.sqrt(variances[0] * variances[1]);
    [a[i], b[i], a[i] ** 2 + variances[0], b[i] ** 2 + variances[1], a[i] * b[i] + covariance]
      .forEach((v, k) => m[k * total + i] = v);
  }
  return m;
}

interface Named<A> {
  readonly name: string;
  readonly c: OpCase<A>;
}

function named<A>(
  name: string,
  op: OpDef<A>,
  attrs: A,
  inputs: OpCase<A>["inputs"],
  terms: number,
  rest: Partial<OpCase<A>> = {},
): Named<A> {
  return { name, c: { op, attrs, inputs, tolerance: toleranceFor(terms), ...rest } };
}

function check<A>({ name, c }: Named<A>, tolerance = 1e-6): void {
  gpuTest(`${name} and its gradient match the reference`, (gpu) => checkOp(gpu, c));
  Deno.test(`${name} gradient matches finite differences`, () => checkGradient(c, 1e-6, tolerance));
}

check(
  named("minMaxRescale(), two samples, three channels", minMaxRescale, {}, [{ shape: [2, 3, 3, 5, 7] }], 64),
);
check(named("minMaxRescale(), several chunks", minMaxRescale, {}, [{ shape: [2, 1, 13, 17, 19] }], 512));
check(named("minMaxRescale(), one voxel", minMaxRescale, {}, [{ shape: [2, 1, 1, 1, 1] }], 1));
check(named(
  "hideVisible(), three channels, batch 2",
  hideVisible,
  {},
  [
    { shape: [2, 3, 5, 6, 7] },
    { shape: [2, 1, 5, 6, 7], data: cells([2, 1, 5, 6, 7], 3) },
  ],
  1,
  { constant: [1] },
));
check(named("moments(), odd size", moments, {}, [{ shape: [2, 3, 3, 5, 7] }, { shape: [2, 3, 3, 5, 7] }], 4));
for (const axis of [0, 1, 2] as const) {
  check(named(
    `gaussianAxis() along ${"DHW"[axis]}`,
    gaussianAxis,
    { axis, window: 7, sigma: 1.5 },
    [{ shape: [2, 3, 9, 8, 11] }],
    7,
  ));
}
check(named("gaussianAxis() to one voxel", gaussianAxis, { axis: 2, window: 11, sigma: 1.5 }, [{
  shape: [1, 1, 3, 2, 11],
}], 11));
for (const kind of ["ssim", "contrast"] as const) {
  for (const [n, c, size] of [[2, 3, [3, 5, 7]], [1, 1, [1, 1, 1]], [1, 2, [13, 15, 17]]] as const) {
    check(
      named(
        `similarityMean() ${kind} ${n}x${c}x${size.join("x")}`,
        similarityMean,
        { kind },
        [{ shape: [5 * n, c, ...size], data: smoothedMoments(n, c, size) }],
        1,
        { tolerance: { atol: 2e-4, rtol: 1e-4 } },
      ),
      1e-4,
    );
  }
}
check(named("halve(), odd and even axes", halve, {}, [{ shape: [2, 3, 5, 6, 7] }], 8));
check(named("halve(), one voxel", halve, {}, [{ shape: [1, 1, 1, 1, 1] }], 8));
check(named(
  "similarityLoss(), five scales, some negative",
  similarityLoss,
  { weights: [0.1, 0.2, 0.3, 0.25, 0.15] },
  [1, 2, 3, 4, 5].map((seed) => ({
    shape: [23, 3],
    data: noise(69, seed).map((v) => v * 0.5 + 0.45) as Data,
  })),
  16,
));
check(named("similarityLoss(), one scale", similarityLoss, { weights: [1] }, [{ shape: [2, 1] }], 4));

Deno.test("minMaxRescale() shares the gradient between ties of minimum and maximum", () => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, 1, 1, 6]));
  const dy = graph.input("dy", tensor([1, 1, 1, 1, 6]));
  const [y, range] = graph.apply(minMaxRescale, [x], {});
  const dx = differentiate(graph, { seeds: new Map([[y, dy]]), wrt: [x], add }).get(x)!;
  const feeds = new Map([[x, Float64Array.of(0, 4, 0, 4, 4, 1)], [dy, Float64Array.of(0, 0, 0, 0, 0, 8)]]);
  const found = interpret(graph, feeds, [range, dx]);
  assert.deepEqual([...found.get(range)!], [0, 4, 2, 3]);
  // dy/r = 2 at the last voxel; A = 8, B = 2: minimum gets (2-8)/4 = -1.5 over 2, maximum -2/4 over 3
  assertAllClose(found.get(dx)!, [-0.75, -1 / 6, -0.75, -1 / 6, -1 / 6, 2], { atol: 1e-12, rtol: 0 });
});

gpuTest("minMaxRescale() maps a constant sample to 0 without gradient, and keeps NaN", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([2, 1, 1, 1, 3]));
  const dy = graph.input("dy", tensor([2, 1, 1, 1, 3]));
  const [y] = graph.apply(minMaxRescale, [x], {});
  const dx = differentiate(graph, { seeds: new Map([[y, dy]]), wrt: [x], add }).get(x)!;
  const feeds = new Map([[x, Float32Array.of(5, 5, 5, 1, NaN, 3)], [dy, Float32Array.of(1, 2, 3, 0, 0, 0)]]);
  const [found, gradient] = await runOnGpu(gpu, graph, feeds, [y, dx]);
  assert.deepEqual([...found.subarray(0, 3)], [0, 0, 0]);
  assert.deepEqual([...gradient.subarray(0, 3)], [0, 0, 0]);
  assert.ok(Number.isNaN(found[4]));
});

Deno.test("gaussianWindow() is symmetric and sums to 1", () => {
  for (const size of [7, 11]) {
    const w = gaussianWindow(size, 1.5);
    assert.ok(Math.abs(w.reduce((a, b) => a + b) - 1) < 1e-7);
    w.forEach((v, i) => assert.equal(v, w[size - 1 - i]));
  }
});

Deno.test("gaussianAxisAdjoint() is the transpose of gaussianAxis()", () => {
  const attrs = { axis: 1, window: 7, sigma: 1.5 } as const;
  const long = tensor([2, 1, 3, 9, 4]);
  const [short] = gaussianAxis.infer([long], attrs);
  const u = Float64Array.from(noise(elementCount(long.shape), 1));
  const v = Float64Array.from(noise(elementCount(short.shape), 2));
  const [gu] = gaussianAxis.reference({ inputs: [u], inputSpecs: [long], outputSpecs: [short], attrs });
  const [gv] = gaussianAxisAdjoint.reference({
    inputs: [v],
    inputSpecs: [short],
    outputSpecs: [long],
    attrs,
  });
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((s, x, i) => s + x * b[i], 0);
  assert.ok(Math.abs(dot(gu, v) - dot(u, gv)) < 1e-12);
});

/** Loss and gradient of a whole loss function at a small size, on the device and interpreted. */
async function wholeLoss(
  gpu: Parameters<Parameters<typeof gpuTest>[1]>[0],
  loss: typeof ssimLoss,
  shape: readonly number[],
  grid: readonly number[] | null,
): Promise<void> {
  const graph = new Graph();
  const prediction = graph.input("prediction", tensor(shape));
  const target = graph.input("target", tensor(shape));
  const mask = grid ? graph.input("mask", tensor([shape[0], 1, ...grid])) : undefined;
  const value = loss(graph, prediction, target, mask);
  const one = graph.input("one", tensor([1]));
  const gradient = differentiate(graph, { seeds: new Map([[value, one]]), wrt: [prediction], add }).get(
    prediction,
  )!;
  const wanted = noise(elementCount(shape), 8);
  const other = noise(elementCount(shape), 9);
  const feeds = new Map<typeof value, Data>([
    [prediction, wanted.map((v, i) => 0.6 * v + 0.3 * other[i]) as Data],
    [target, wanted],
    [one, Float32Array.of(1)],
  ]);
  if (mask) feeds.set(mask, cells([shape[0], ...grid!], 4));
  const doubles = new Map([...feeds].map(([v, d]) => [v, Float64Array.from(d)]));
  const reference = interpret(graph, doubles, [value, gradient]);
  const [found, dx] = await runOnGpu(gpu, graph, feeds, [value, gradient], { poison: true });
  assertAllClose(found, reference.get(value)!, { atol: 2e-6, rtol: 1e-5 }, "loss");
  const largest = reference.get(gradient)!.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  assertAllClose(dx, reference.get(gradient)!, { atol: 2e-5 * largest, rtol: 1e-4 }, "gradient");
}

gpuTest(
  "ssimLoss() matches the reference: odd size, three channels, batch 2",
  (gpu) => wholeLoss(gpu, ssimLoss, [2, 3, 5, 13, 11], null),
);
gpuTest(
  "ssimLoss() matches the reference: block mask, an axis below the window",
  (gpu) => wholeLoss(gpu, ssimLoss, [2, 1, 4, 12, 16], [1, 3, 4]),
);
gpuTest(
  "msSsimLoss() matches the reference: thin volume, mask at voxel resolution in one axis",
  (gpu) => wholeLoss(gpu, msSsimLoss, [1, 1, 2, 98, 98], [2, 7, 14]),
);

Deno.test("ssimLoss() and msSsimLoss() refuse volumes below the window", () => {
  const graph = new Graph();
  const small = graph.input("small", tensor([1, 1, 8, 10, 10]));
  assert.throws(
    () => ssimLoss(graph, small, small),
    /8x10x10 is smaller than the window of 11 in every axis/,
  );
  assert.throws(() => msSsimLoss(graph, small, small), /10x10, wanted at least 97: use a larger patch/);
  const other = graph.input("other", tensor([1, 1, 8, 10, 11]));
  assert.throws(() => ssimLoss(graph, small, other), /wanted equal shapes/);
});
