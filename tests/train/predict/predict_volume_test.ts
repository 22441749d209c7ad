import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { resampleImage } from "../../../data/resample.ts";
import type { Gpu } from "../../../kernels/runtime/device.ts";
import type { Dims3 } from "../../../kernels/spec.ts";
import { PredictionError } from "../../../train/predict/errors.ts";
import { gaussianMap } from "../../../train/predict/gaussian.ts";
import { largestOf } from "../../../train/predict/logits_ring.ts";
import { type PredictedVolume, predictVolume } from "../../../train/predict/predict_volume.ts";
import { WindowNetwork } from "../../../train/predict/window_network.ts";
import { windowStarts } from "../../../train/predict/windows.ts";
import { gpuTest } from "../../support/gpu.ts";
import { noise } from "../../support/ops.ts";
import { TINY_PATCH, tinyNetwork, tinyWeights, windowLogits } from "../../support/tiny_predictor.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const CHANNELS = 3;
const SHAPE: Dims3 = [19, 13, 6];
const config = tinyNetwork(CHANNELS);
const image = noise(SHAPE[0] * SHAPE[1] * SHAPE[2], 5);

const open = (gpu: Gpu, seeds: readonly number[], network = config) =>
  WindowNetwork.create(gpu, {
    network,
    patch: TINY_PATCH,
    folds: seeds.map((seed) => tinyWeights(network, seed)),
  });

/** The method in its own words, in float64: sums of weighted logits and of weights, divided at the end. */
async function plainPrediction(gpu: Gpu, seeds: readonly number[], axes: readonly number[]) {
  const padded = SHAPE.map((size, a) => Math.max(size, TINY_PATCH[a]));
  const before = SHAPE.map((size, a) => Math.floor((padded[a] - size) / 2));
  const voxels = padded[0] * padded[1] * padded[2];
  const sums = new Float64Array(CHANNELS * voxels), weights = new Float64Array(voxels);
  const map = gaussianMap(TINY_PATCH), [pd, ph, pw] = TINY_PATCH;
  const mirrors = [0, 1, 2, 3, 4, 5, 6, 7].filter((m) =>
    [0, 1, 2].every((a) => !(m >> a & 1) || axes.includes(a))
  );
  const at = (i: number) => [Math.floor(i / (ph * pw)), Math.floor(i / pw) % ph, i % pw];
  const mirrored = (i: number, m: number) => {
    const [z, y, x] = at(i).map((v, a) => m >> a & 1 ? TINY_PATCH[a] - 1 - v : v);
    return (z * ph + y) * pw + x;
  };
  for (const seed of seeds) {
    using network = await open(gpu, [seed]);
    for (const z0 of windowStarts(padded[0], pd, 0.5)) {
      for (const y0 of windowStarts(padded[1], ph, 0.5)) {
        for (const x0 of windowStarts(padded[2], pw, 0.5)) {
          const places = Array.from(map, (_, i) => at(i).map((v, a) => v + [z0, y0, x0][a]));
          const window = Float32Array.from(places, (place) => {
            const [z, y, x] = place.map((v, a) => v - before[a]);
            const inside = [z, y, x].every((v, a) => v >= 0 && v < SHAPE[a]);
            return inside ? image[(z * SHAPE[1] + y) * SHAPE[2] + x] : 0;
          });
          for (const m of mirrors) {
            const logits = await windowLogits(network, window.map((_, i) => window[mirrored(i, m)]));
            places.forEach(([z, y, x], i) => {
              const to = (z * padded[1] + y) * padded[2] + x;
              for (let c = 0; c < CHANNELS; c++) {
                sums[c * voxels + to] += map[i] * logits[c * map.length + mirrored(i, m)] / mirrors.length;
              }
              if (m === 0) weights[to] += map[i];
            });
          }
        }
      }
    }
  }
  const logits = new Float32Array(CHANNELS * image.length);
  for (let i = 0; i < logits.length; i++) {
    const c = Math.floor(i / image.length), v = i % image.length;
    const place = [Math.floor(v / (SHAPE[1] * SHAPE[2])), Math.floor(v / SHAPE[2]) % SHAPE[1], v % SHAPE[2]];
    const [z, y, x] = place.map((p, a) => p + before[a]);
    const from = (z * padded[1] + y) * padded[2] + x;
    logits[i] = sums[c * voxels + from] / weights[from];
  }
  return logits;
}

const sameBytes = (a: ArrayBufferView, b: ArrayBufferView) =>
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));

/** Checks that labels are where the sampled logits are largest. */
function checkLabels({ labels, samples }: PredictedVolume): void {
  const voxels = labels.length;
  const wrong = Array.from(labels).findIndex((label, v) => {
    const values = Array.from({ length: CHANNELS }, (_, c) => samples![c * voxels + v]);
    return label !== values.indexOf(Math.max(...values));
  });
  assert.equal(wrong, -1);
  assert.ok(new Set(labels).size > 1);
}

gpuTest(
  "predictVolume() is the weighted mean over windows, mirror images and folds, padded where small",
  async (gpu) => {
    const seeds = [1, 2], axes = [0, 2];
    using network = await open(gpu, seeds);
    const found = await predictVolume(network, {
      image,
      shape: SHAPE,
      labels: largestOf(CHANNELS, "none"),
      mirrorAxes: axes,
    });
    checkLabels(found);
    const wanted = (await plainPrediction(gpu, seeds, axes)).map((sum) => sum);
    assertAllClose(found.samples!, wanted, { atol: 2e-5, rtol: 2e-5 }, "logits");
  },
);

const GRIDS: readonly { name: string; shape: Dims3; spacing: Dims3; newSpacing: Dims3 }[] = [
  { name: "a finer grid", shape: [31, 20, 11], spacing: [1, 1, 1], newSpacing: [0.6, 0.65, 0.55] },
  { name: "a coarser grid", shape: [11, 7, 6], spacing: [1, 1, 1], newSpacing: [1.7, 1.8, 1] },
  {
    name: "thick slices, order 0 across them",
    shape: [5, 20, 9],
    spacing: [1, 1, 1],
    newSpacing: [4, 0.65, 0.7],
  },
];

gpuTest("predictVolume() interpolates logits as resampleImage() does, before it decides", async (gpu) => {
  using network = await open(gpu, [3]);
  const common = { image, shape: SHAPE, labels: largestOf(CHANNELS, "none") };
  const plain = await predictVolume(network, common);
  for (const { name, ...target } of GRIDS) {
    const found = await predictVolume(network, { ...common, target });
    const { spacing, newSpacing, shape } = target;
    const wanted = resampleImage(plain.samples!, SHAPE, shape, spacing, newSpacing, { order: 1, orderZ: 0 });
    assertAllClose(found.samples!, wanted, { atol: 1e-5, rtol: 1e-5 }, name);
    checkLabels(found);
  }
});

gpuTest(
  "predictVolume() gives the same bytes in one band or many, one pass or many, and however windows are queued",
  async (gpu) => {
    using network = await open(gpu, [4, 6]);
    const target = GRIDS[0];
    const common = { image, shape: SHAPE, target, labels: largestOf(CHANNELS, "softmax"), mirrorAxes: [1] };
    const whole = await predictVolume(network, common);
    const narrow = { ...gpu, facts: { ...gpu.facts, maxBinding: 8000 } };
    using cut = await open(gpu, [4, 6]);
    Object.defineProperty(cut, "gpu", { value: narrow });
    const variants = [
      await predictVolume(network, { ...common, windowBatch: 1 }),
      await predictVolume(cut, { ...common, windowBatch: 100 }),
      await predictVolume(cut, { ...common, memoryBytes: network.deviceBytes + 20000 }),
    ];
    for (const found of variants) {
      assert.ok(sameBytes(found.labels, whole.labels));
      assert.ok(sameBytes(found.samples!, whole.samples!));
    }
    assert.ok(variants[2].windows > whole.windows, "several passes compute some windows again");
  },
);

gpuTest(
  "predictVolume() writes a region's value where its logit is above 0, later ones over earlier ones",
  async (gpu) => {
    using network = await open(gpu, [7]);
    const common = { image, shape: SHAPE };
    const values = Int32Array.of(2, 300, 1);
    const decision = { decision: "regions", values, bytes: 2, samples: "sigmoid" } as const;
    const { labels, samples } = await predictVolume(network, { ...common, labels: decision });
    assert.ok(labels instanceof Uint16Array);
    labels.forEach((label, v) => {
      const on = [0, 1, 2].filter((c) => samples![c * labels.length + v] > 0.5);
      assert.equal(label, on.length === 0 ? 0 : values[on.at(-1)!]);
    });
  },
);

gpuTest("predictVolume() raises logits that are not finite, wrong axes and missing weights", async (gpu) => {
  const weights = new Map(tinyWeights(config, 8));
  const head = [...weights.keys()].findLast((name) => name.endsWith("bias"))!;
  using broken = await WindowNetwork.create(gpu, {
    network: config,
    patch: TINY_PATCH,
    folds: [new Map(weights).set(head, weights.get(head)!.map(() => Infinity))],
  });
  const common = { image, shape: SHAPE, labels: largestOf(CHANNELS) };
  await assert.rejects(predictVolume(broken, common), /infinite or undefined logits/);
  await assert.rejects(predictVolume(broken, { ...common, mirrorAxes: [3] }), PredictionError);
  const stop = AbortSignal.abort(new Error("enough"));
  await assert.rejects(predictVolume(broken, { ...common, signal: stop }), /enough/);
  weights.delete(head);
  await assert.rejects(
    WindowNetwork.create(gpu, { network: config, patch: TINY_PATCH, folds: [weights] }),
    /has no tensor, wanted/,
  );
});

gpuTest("predictVolume() in f16 differs from f32 by the rounding of activations", async (gpu) => {
  if (!gpu.facts.f16) return console.log(`not run: ${gpu.facts.adapter} has no 16-bit floats`);
  const common = { image, shape: SHAPE, labels: largestOf(CHANNELS, "none") };
  const [single, half] = await Promise.all((["f32", "f16"] as const).map(async (precision) => {
    const options = { network: config, patch: TINY_PATCH, folds: [tinyWeights(config, 9)], precision };
    using network = await WindowNetwork.create(gpu, options);
    return (await predictVolume(network, common)).samples!;
  }));
  const largest = single.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assertAllClose(half, single, { atol: 0.01 * largest, rtol: 0 }, "logits");
  assert.ok(!sameBytes(half, single));
});
