import assert from "node:assert/strict";
import { Graph } from "../../../kernels/graph/graph.ts";
import { compile } from "../../../kernels/graph/plan.ts";
import { SAMPLE_AT } from "../../../kernels/ops/augment/parameters.ts";
import { type Dims3, elementCount, tensor } from "../../../kernels/spec.ts";
import { augmentPatch, type PatchOptions, plainPatch } from "../../../train/finetune/augment_graph.ts";
import { finetuneAugmentationSchema } from "../../../train/finetune/augmentation_config.ts";
import {
  augmentationLength,
  sampleFinetuneAugmentation,
} from "../../../train/finetune/sample_augmentation.ts";
import { plainDevice } from "../../support/device_facts.ts";
import { type Gpu } from "../../../kernels/runtime/device.ts";
import { gpuTest } from "../../support/gpu.ts";
import { noise, runOnGpu } from "../../support/ops.ts";
import { assertAllClose } from "../../support/tolerance.ts";
import { transcribedAugmentation } from "./augmentation_transcription.ts";

const ALWAYS = finetuneAugmentationSchema.parse(Object.fromEntries([
  ...["rotation", "scaling", "noise", "brightness", "contrast", "gammaInverted", "gamma"]
    .map((name) => [name, { probability: 1 }]),
  ...["blur", "lowResolution"].map((name) => [name, { probability: 1, channelProbability: 0.7 }]),
]));

interface Batch {
  readonly crop: Float32Array<ArrayBuffer>;
  readonly label: Float32Array<ArrayBuffer>;
  readonly cropSize: Dims3;
  readonly rows: readonly Float32Array[];
}

/** Crops of noise; labels -1 to 3 in boxes. */
function batchOf(rows: readonly Float32Array[], channels: number, cropSize: Dims3): Batch {
  const voxels = elementCount(cropSize), [, h, w] = cropSize;
  const crop = noise(rows.length * channels * voxels, 4);
  const label = Float32Array.from({ length: rows.length * voxels }, (_, i) => {
    const v = i % voxels;
    const [z, y, x] = [Math.floor(v / (h * w)), Math.floor(v / w) % h, v % w];
    return (Math.floor(z / 3) + 2 * Math.floor(y / 4) + Math.floor(x / 3)) % 5 - 1;
  });
  return { crop, label, cropSize, rows };
}

async function augmented(gpu: Gpu, batch: Batch, options: PatchOptions) {
  const n = batch.rows.length, channels = options.maskImage.length;
  const graph = new Graph();
  const crop = graph.input("crop", tensor([n, channels, ...batch.cropSize]));
  const label = graph.input("label", tensor([n, 1, ...batch.cropSize]));
  const parameters = graph.input("parameters", tensor([n, augmentationLength(channels)]));
  const patch = augmentPatch(graph, { crop, label, parameters }, options);
  const rows = new Float32Array(n * augmentationLength(channels));
  batch.rows.forEach((row, i) => rows.set(row, i * row.length));
  const feeds = new Map([[crop, batch.crop], [label, batch.label], [parameters, rows]]);
  const [image, labels] = await runOnGpu(gpu, graph, feeds, [patch.image, patch.label], { poison: true });
  return { image, label: labels };
}

function drawn(count: number, channels: number, patch: Dims3, config = ALWAYS): Float32Array[] {
  return Array.from(
    { length: count },
    (_, sample) => sampleFinetuneAugmentation({ seed: 3, step: 8, sample, channels, patch, config }),
  );
}

for (
  const [name, patch, cropSize] of [
    ["a cube", [11, 10, 12], [17, 18, 19]],
    ["thick slices", [3, 11, 12], [3, 18, 17]],
  ] as readonly (readonly [string, Dims3, Dims3])[]
) {
  gpuTest(`augmentPatch() does what nnU-Net's list says, every transform at once: ${name}`, async (gpu) => {
    const maskImage = [true, false];
    const batch = batchOf(drawn(3, 2, patch), 2, cropSize);
    const found = await augmented(gpu, batch, { patch, maskImage });
    const voxels = elementCount(patch), whole = elementCount(cropSize);
    batch.rows.forEach((row, n) => {
      const wanted = transcribedAugmentation({
        crop: batch.crop.subarray(2 * n * whole, 2 * (n + 1) * whole),
        label: batch.label.subarray(n * whole, (n + 1) * whole),
        cropSize,
        row,
        patch,
        maskImage,
      });
      assertAllClose(found.label.subarray(n * voxels, (n + 1) * voxels), wanted.label, { atol: 0, rtol: 0 });
      assertAllClose(
        found.image.subarray(2 * n * voxels, 2 * (n + 1) * voxels),
        wanted.image,
        { atol: 1e-4, rtol: 1e-4 },
        `sample ${n}`,
      );
      assert.ok(wanted.label.some((v) => v > 0));
    });
  });
}

gpuTest(
  "augmentPatch() gives the same bits for the same seed, others for another, and each sample its own",
  async (gpu) => {
    const patch: Dims3 = [8, 8, 8], maskImage = [false];
    const rows = drawn(1, 1, patch);
    const batch = batchOf([rows[0], rows[0]], 1, [12, 12, 12]);
    const [a, b] = [
      await augmented(gpu, batch, { patch, maskImage }),
      await augmented(gpu, batch, { patch, maskImage }),
    ];
    a.image.forEach((v, i) => assert.equal(v, b.image[i]));
    const other = sampleFinetuneAugmentation({
      seed: 3,
      step: 9,
      sample: 0,
      channels: 1,
      patch,
      config: ALWAYS,
    });
    const c = await augmented(gpu, { ...batch, rows: [rows[0], other] }, { patch, maskImage });
    for (let i = 0; i < 512; i++) assert.equal(c.image[i], a.image[i]);
    assert.ok(c.image.subarray(512).some((v, i) => Math.abs(v - a.image[512 + i]) > 0.1));
  },
);

gpuTest(
  "augmentPatch() cuts out the centre bit for bit where nothing fires, beside a sample where all does",
  async (gpu) => {
    const patch: Dims3 = [5, 6, 4], cropSize: Dims3 = [8, 9, 9], maskImage = [false, false];
    const [all] = drawn(1, 2, patch);
    const nothing = new Float32Array(all.length);
    const batch = batchOf([all, nothing], 2, cropSize);
    const { image, label } = await augmented(gpu, batch, { patch, maskImage });
    let i = 0;
    for (let c = 0; c < 2; c++) {
      for (let z = 0; z < 5; z++) {
        for (let y = 0; y < 6; y++) {
          for (let x = 0; x < 4; x++, i++) {
            const at = ((z + 1) * 9 + y + 1) * 9 + x + 2;
            assert.equal(image[240 + i], batch.crop[(2 + c) * 648 + at]);
            if (c === 0) assert.equal(label[120 + i], Math.max(0, batch.label[648 + at]));
          }
        }
      }
    }
  },
);

gpuTest("plainPatch() masks and removes -1, nothing else", async (gpu) => {
  const graph = new Graph(), size: Dims3 = [4, 5, 6];
  const crop = graph.input("crop", tensor([1, 2, ...size])),
    label = graph.input("label", tensor([1, 1, ...size]));
  const patch = plainPatch(graph, { crop, label }, { maskImage: [false, true] });
  const batch = batchOf([new Float32Array()], 2, size);
  const feeds = new Map([[crop, batch.crop], [label, batch.label]]);
  const [image, labels] = await runOnGpu(gpu, graph, feeds, [patch.image, patch.label], { poison: true });
  batch.label.forEach((v, i) => {
    assert.equal(labels[i], Math.max(0, v));
    assert.equal(image[i], batch.crop[i]);
    assert.equal(image[120 + i], v < 0 ? 0 : batch.crop[120 + i]);
  });
});

Deno.test("augmentPatch() leaves out what its configuration never applies, and changes images where they lie", () => {
  const dispatches = (config?: Record<string, unknown>) => {
    const graph = new Graph(), size: Dims3 = [8, 8, 8];
    const crop = graph.input("crop", tensor([1, 1, 12, 12, 12]));
    const label = graph.input("label", tensor([1, 1, 12, 12, 12]));
    const parameters = graph.input("parameters", tensor([1, augmentationLength(1)]));
    const { image, label: labels } = augmentPatch(graph, { crop, label, parameters }, {
      patch: size,
      maskImage: [false],
      config: config && finetuneAugmentationSchema.parse(config),
    });
    const plan = compile(graph, { device: plainDevice, phases: { augment: [image, labels] } });
    return plan.phases.augment.map(({ op, label }) => `${op} ${label}`);
  };
  const ops = (list: readonly string[]) => [...new Set(list.map((line) => line.split(" ")[0]))].sort();
  const all = dispatches({});
  assert.deepEqual(dispatches(), all);
  assert.deepEqual(all.filter((line) => line.includes("copy")), []);
  assert.deepEqual(ops(dispatches({ enabled: false })), ["finishPatch", "sampleLabels", "samplePatch"]);
  const kept = ops(dispatches({ noise: { probability: 0 }, brightness: { probability: 0 } }));
  assert.deepEqual(kept, ops(all).filter((op) => op !== "gaussianNoise"));
});

Deno.test("sampleFinetuneAugmentation() fires as often as its probabilities say, within its ranges", () => {
  const config = finetuneAugmentationSchema.parse({});
  const n = 6000, patch: Dims3 = [48, 48, 40];
  const rows = Array.from(
    { length: n },
    (_, i) =>
      sampleFinetuneAugmentation({ seed: 1, step: i >> 1, sample: i & 1, channels: 2, patch, config }),
  );
  const share = (name: string, of: (row: Float32Array) => boolean, wanted: number) => {
    const found = rows.filter(of).length / n, deviation = Math.sqrt(wanted * (1 - wanted) / n);
    assert.ok(Math.abs(found - wanted) < 4 * deviation, `${name}: ${found}, wanted ${wanted}`);
  };
  const at = (c: number, place: number) => 16 + 10 * c + place;
  const turned = (row: Float32Array) => row[1] !== 0;
  const zoom = (row: Float32Array) => Math.cbrt(determinant(row));
  share("interpolation", (row) => row[SAMPLE_AT.interpolate] === 1, 1 - 0.8 * 0.8);
  share("rotation", turned, 0.2);
  share("scaling", (row) => Math.abs(zoom(row) - 1) > 1e-4, 0.2);
  share("noise", (row) => row[SAMPLE_AT.noiseSigma] > 0, 0.1);
  for (const axis of [0, 1, 2]) share("mirror", (row) => row[SAMPLE_AT.mirror + axis] === 1, 0.5);
  for (const c of [0, 1]) {
    share("blur", (row) => row[at(c, 0)] > 0, 0.1);
    share("brightness", (row) => row[at(c, 3)] > 0, 0.15);
    share("contrast", (row) => row[at(c, 4)] > 0, 0.15);
    share("low resolution", (row) => row[at(c, 5)] > 0, 0.125);
    share("inverted gamma", (row) => row[at(c, 8)] > 0, 0.1);
    share("gamma", (row) => row[at(c, 9)] > 0, 0.3);
  }
  share("blur of either", (row) => row[at(0, 0)] > 0 || row[at(1, 0)] > 0, 0.2 * 0.75);
  share("gamma of both", (row) => row[at(0, 9)] > 0 && row[at(1, 9)] > 0, 0.3);
  const range = (name: string, values: readonly number[], low: number, high: number, mean: number) => {
    const [least, most] = [Math.min(...values), Math.max(...values)], width = high - low;
    assert.ok(least >= low - 1e-6 && most <= high + 1e-6, `${name}: ${least} to ${most}`);
    assert.ok(least < low + 0.05 * width && most > high - 0.05 * width, `${name}: ${least} to ${most}`);
    const found = values.reduce((a, b) => a + b) / values.length;
    assert.ok(Math.abs(found - mean) < 0.04 * width, `${name}: mean ${found}, wanted ${mean}`);
  };
  const drawnOf = (place: number) => rows.map((row) => row[place]).filter((v) => v > 0);
  range("zoom", rows.map(zoom).filter((v) => Math.abs(v - 1) > 1e-4), 0.7, 1.4, 0.5 * 0.85 + 0.5 * 1.2);
  range("sigma of noise", drawnOf(SAMPLE_AT.noiseSigma), 0, 0.1, 0.05);
  for (const axis of [0, 1, 2]) range("sigma of blur", drawnOf(at(0, axis)), 0.5, 1, 0.75);
  range("brightness", drawnOf(at(1, 3)), 0.75, 1.25, 1);
  range("contrast", drawnOf(at(0, 4)), 0.75, 1.25, 1);
  range("low size", drawnOf(at(0, 7)), 20, 40, 30);
  range("inverted gamma", drawnOf(at(0, 8)), 0.7, 1.5, 0.5 * 0.85 + 0.5 * 1.25);
  range("gamma", drawnOf(at(1, 9)), 0.7, 1.5, 0.5 * 0.85 + 0.5 * 1.25);
  // the first column of Rz Ry Rx is (cos z cos y, sin z cos y, -sin y)
  const yaw = rows.filter(turned).map((row) => -Math.asin(row[6] / zoom(row)) * 180 / Math.PI);
  range("angle", yaw, -30, 30, 0);
});

function determinant(m: Float32Array): number {
  return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
    m[2] * (m[3] * m[7] - m[4] * m[6]);
}

Deno.test("sampleFinetuneAugmentation() is Rz Ry Rx S, and one probability does not disturb the others", () => {
  const request = { seed: 5, step: 2, sample: 1, channels: 1, patch: [32, 32, 32] as const };
  const row = sampleFinetuneAugmentation({ ...request, config: ALWAYS });
  const turn = (axis: number, t: number) => {
    const r = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
    [r[a][a], r[b][b], r[a][b], r[b][a]] = [Math.cos(t), Math.cos(t), -Math.sin(t), Math.sin(t)];
    return r;
  };
  const product = (p: number[][], q: number[][]) =>
    p.map((line) => [0, 1, 2].map((k) => line.reduce((sum, v, j) => sum + v * q[j][k], 0)));
  const zoom = Math.cbrt(determinant(row));
  const y = -Math.asin(row[6] / zoom), x = Math.atan2(row[7], row[8]), z = Math.atan2(row[3], row[0]);
  const wanted = product(product(turn(2, z), turn(1, y)), turn(0, x)).flat().map((v) => v * zoom);
  assertAllClose(row.subarray(0, 9), wanted, { atol: 1e-6, rtol: 0 });
  const still = {
    ...ALWAYS,
    rotation: { ...ALWAYS.rotation, probability: 0 },
    gamma: { ...ALWAYS.gamma, probability: 0 },
  };
  const other = sampleFinetuneAugmentation({ ...request, config: still });
  assert.deepEqual([...other.subarray(9, 25)], [...row.subarray(9, 25)]);
  assert.equal(other[25], 0);
  assertAllClose(other.subarray(0, 9), [zoom, 0, 0, 0, zoom, 0, 0, 0, zoom], { atol: 1e-6, rtol: 0 });
});

Deno.test("sampleFinetuneAugmentation() turns thick slices in their plane only, and switched off draws nothing", () => {
  const sliced = { seed: 5, step: 2, channels: 1, patch: [20, 64, 48] as const };
  const angles = Array.from({ length: 300 }, (_, sample) => {
    const row = sampleFinetuneAugmentation({ ...sliced, sample, config: ALWAYS });
    assert.deepEqual([0, 1, 2, 3, 6].map((i) => row[i] + 0), [1, 0, 0, 0, 0]);
    if (row[16 + 5] > 0) assert.equal(row[16 + 5], 20);
    return Math.atan2(row[7], row[4]);
  });
  assert.ok(Math.max(...angles) > 3 && Math.min(...angles) < -3);
  const off = sampleFinetuneAugmentation({ ...sliced, sample: 0, config: { ...ALWAYS, enabled: false } });
  assert.ok(off.every((v) => v === 0));
  const noMirror = { ...ALWAYS, mirrorProbability: 1, mirrorAxes: [0, 2] as (0 | 2)[] };
  const row = sampleFinetuneAugmentation({ ...sliced, sample: 0, config: noMirror });
  assert.deepEqual([...row.subarray(9, 12)], [1, 0, 1]);
});
