import assert from "node:assert/strict";
import { Graph } from "../../kernels/graph/graph.ts";
import { finishPatch, type FinishPatchAttrs } from "../../kernels/ops/augment/finish_patch.ts";
import {
  augmentationLength,
  CHANNEL_AT,
  CHANNEL_LENGTH,
  SAMPLE_AT,
  SAMPLE_LENGTH,
} from "../../kernels/ops/augment/parameters.ts";
import { sampleLabels, samplePatch } from "../../kernels/ops/augment/sample_patch.ts";
import { brightnessContrast } from "../../kernels/ops/intensity/brightness_contrast.ts";
import { gammaCorrection } from "../../kernels/ops/intensity/gamma_correction.ts";
import { gaussianBlur } from "../../kernels/ops/intensity/gaussian_blur.ts";
import { gaussianNoise, standardNormal } from "../../kernels/ops/intensity/gaussian_noise.ts";
import { lowResolution } from "../../kernels/ops/intensity/low_resolution.ts";
import type { Gpu } from "../../kernels/runtime/device.ts";
import { type Dims3, elementCount, type OpDef, tensor } from "../../kernels/spec.ts";
import { rotationMatrix } from "../../train/augmentation.ts";
import { gpuTest } from "../support/gpu.ts";
import { checkOp, noise, runOnGpu } from "../support/ops.ts";
import { assertAllClose } from "../support/tolerance.ts";

type Numbers = Readonly<Partial<Record<keyof typeof CHANNEL_AT, number | readonly number[]>>>;
interface Sample {
  readonly degrees?: Dims3;
  readonly factor?: number;
  readonly mirror?: Dims3;
  readonly noise?: readonly [sigma: number, a: number, b: number];
  readonly channels?: readonly Numbers[];
}

/** Parameters of a batch; what is not named is 0. */
function parameters(channels: number, samples: readonly Sample[]): Float32Array<ArrayBuffer> {
  const row = augmentationLength(channels), out = new Float32Array(row * samples.length);
  samples.forEach(({ degrees, factor = 1, mirror, noise, channels: numbers = [] }, n) => {
    const at = out.subarray(n * row);
    if (degrees) {
      const [a, b, c] = degrees.map((angle) => angle * Math.PI / 180);
      at.set(rotationMatrix(a, b, c).flat().map((v) => v * factor), SAMPLE_AT.matrix);
      at[SAMPLE_AT.interpolate] = 1;
    }
    at.set(mirror ?? [], SAMPLE_AT.mirror);
    at.set(noise ?? [], SAMPLE_AT.noiseSigma);
    numbers.forEach((values, c) => {
      for (const [name, value] of Object.entries(values)) {
        const place = CHANNEL_AT[name as keyof typeof CHANNEL_AT];
        at.set([value].flat(), SAMPLE_LENGTH + c * CHANNEL_LENGTH + place);
      }
    });
  });
  return out;
}

interface IntensityCase {
  readonly name: string;
  readonly op: OpDef<Record<string, never>> | OpDef<{ readonly inverted: boolean }>;
  readonly attrs?: { readonly inverted: boolean };
  readonly size: Dims3;
  readonly samples: readonly Sample[];
  readonly atol?: number;
}

const OFF: Numbers = {};
const cases: readonly IntensityCase[] = [
  {
    name: "gaussianNoise() of two channels, a sample without",
    op: gaussianNoise,
    size: [5, 7, 6],
    samples: [{ noise: [0.7, 16777215, 12345] }, {}, { noise: [0.1, 3, 0] }],
  },
  {
    name: "gaussianBlur() with one to three voxels on either side, a channel without",
    op: gaussianBlur,
    size: [6, 5, 7],
    samples: [{ channels: [{ blurSigma: [0.5, 0.99, 0.8] }, OFF] }, {
      channels: [OFF, { blurSigma: [0.9, 0.6, 0.95] }],
    }],
  },
  {
    name: "gaussianBlur() along axes shorter than the kernel",
    op: gaussianBlur,
    size: [1, 2, 3],
    samples: [{ channels: [{ blurSigma: [1, 1, 1] }, { blurSigma: [2, 0.5, 1.4] }] }],
  },
  {
    name: "brightnessContrast() with both, one or none",
    op: brightnessContrast,
    size: [9, 8, 7],
    samples: [
      { channels: [{ brightness: 1.2, contrast: 1.25 }, { brightness: 0.76 }] },
      { channels: [OFF, { contrast: 0.75 }] },
    ],
  },
  {
    name: "brightnessContrast() of a channel in two shares",
    op: brightnessContrast,
    size: [21, 20, 21],
    samples: [{ channels: [{ contrast: 1.2 }, { brightness: 0.9, contrast: 1.1 }] }],
  },
  {
    name: "lowResolution() of odd sizes, an axis as it was",
    op: lowResolution,
    size: [7, 9, 8],
    samples: [{ channels: [{ lowSize: [4, 6, 8] }, OFF] }, { channels: [OFF, { lowSize: [7, 5, 5] }] }],
  },
  {
    name: "lowResolution() down to one voxel",
    op: lowResolution,
    size: [3, 4, 2],
    samples: [{ channels: [{ lowSize: [1, 2, 1] }, { lowSize: [1, 1, 1] }] }],
  },
  {
    name: "gammaCorrection()",
    op: gammaCorrection,
    attrs: { inverted: false },
    size: [9, 10, 8],
    samples: [{ channels: [{ gamma: 0.7 }, { gammaInverted: 1.4 }] }, { channels: [OFF, { gamma: 1.5 }] }],
    atol: 5e-5,
  },
  {
    name: "gammaCorrection() of the negated image, in two shares",
    op: gammaCorrection,
    attrs: { inverted: true },
    size: [21, 20, 21],
    samples: [{ channels: [{ gammaInverted: 0.72 }, { gamma: 0.8 }] }],
    atol: 5e-5,
  },
];

/** The kernels against the reference. */
function checkCase(gpu: Gpu, { op, attrs, size, samples, atol = 2e-5 }: IntensityCase): Promise<void> {
  return checkOp(gpu, {
    op: op as OpDef<unknown>,
    attrs: attrs ?? {},
    inputs: [{ shape: [samples.length, 2, ...size] }, {
      shape: [samples.length, augmentationLength(2)],
      data: parameters(2, samples),
    }],
    tolerance: { atol, rtol: 1e-5 },
  });
}

for (const c of cases) {
  gpuTest(`${c.name} matches the reference`, (gpu) => checkCase(gpu, c));
  if (!c.name.includes("two shares")) continue;
  gpuTest(
    `${c.name} matches the reference with the workgroups of GPUs`,
    (gpu) => checkCase({ ...gpu, facts: { ...gpu.facts, software: false } }, c),
  );
}

gpuTest("gammaCorrection() and brightnessContrast() leave a constant image as it is", async (gpu) => {
  const graph = new Graph();
  const x = graph.input("x", tensor([1, 1, 4, 4, 4]));
  const rows = graph.input("rows", tensor([1, augmentationLength(1)]));
  const [a] = graph.apply(brightnessContrast, [x, rows], {});
  const [b] = graph.apply(gammaCorrection, [a, rows], { inverted: true });
  const data = new Float32Array(64).fill(3.25);
  const row = parameters(1, [{ channels: [{ contrast: 1.2, gammaInverted: 1.4 }] }]);
  const [found] = await runOnGpu(gpu, graph, new Map([[x, data], [rows, row]]), [b], { poison: true });
  assertAllClose(found, data, { atol: 1e-6, rtol: 0 });
});

Deno.test("gammaCorrection() keeps mean and deviation, brightnessContrast() the range", () => {
  const spec = tensor([1, 1, 8, 8, 8]);
  const x = Float64Array.from(noise(512, 3), (v) => Math.exp(2 * v));
  const moments = (v: Float64Array) => {
    const mean = v.reduce((a, b) => a + b) / v.length;
    return [mean, Math.sqrt(v.reduce((sum, u) => sum + (u - mean) ** 2, 0) / v.length)];
  };
  const rows = Float64Array.from(parameters(1, [{ channels: [{ contrast: 1.25, gamma: 1.5 }] }]));
  const io = { inputs: [x, rows], inputSpecs: [spec, tensor([1, rows.length])], outputSpecs: [spec] };
  const [curved] = gammaCorrection.reference({ ...io, attrs: { inverted: false } });
  assertAllClose(moments(curved), moments(x), { atol: 1e-12, rtol: 0 });
  assert.ok(curved.some((v, i) => Math.abs(v - x[i]) > 0.1));
  const [contrasted] = brightnessContrast.reference({ ...io, attrs: {} });
  assert.deepEqual([Math.min(...contrasted), Math.max(...contrasted)], [Math.min(...x), Math.max(...x)]);
});

Deno.test("standardNormal() has mean 0, variance 1, normal tails and no memory of its counters", () => {
  const n = 200_000;
  const draws = Float64Array.from({ length: n }, (_, v) => standardNormal(v, 77, 5));
  const mean = (f: (v: number, i: number) => number) => draws.reduce((sum, v, i) => sum + f(v, i), 0) / n;
  const close = (found: number, wanted: number, deviation: number) =>
    assert.ok(Math.abs(found - wanted) < 4 * deviation / Math.sqrt(n), `${found}, wanted ${wanted}`);
  close(mean((v) => v), 0, 1);
  close(mean((v) => v * v), 1, Math.sqrt(2));
  close(mean((v) => v ** 4), 3, Math.sqrt(96));
  close(mean((v) => Math.abs(v) > 3 ? 1 : 0), 0.0027, Math.sqrt(0.0027));
  for (const lag of [1, 2, 48, 2304]) close(mean((v, i) => v * draws[(i + lag) % n]), 0, 1);
  close(mean((v, i) => v * standardNormal(i, 77 + 2 ** 24, 5)), 0, 1);
  close(mean((v, i) => v * standardNormal(i, 78, 5)), 0, 1);
  close(mean((v, i) => v * standardNormal(i, 77, 6)), 0, 1);
});

const TURNED: Sample = { degrees: [20, -25, 15], factor: 1.25 };
for (
  const [name, crop, size, samples] of [
    ["a turned and a copied sample", [9, 8, 7], [6, 5, 6], [TURNED, {}]],
    ["content enlarged", [8, 8, 8], [8, 7, 8], [{ degrees: [5, 0, -9], factor: 0.7 }]],
    ["most of the patch outside", [4, 5, 4], [4, 5, 4], [{ degrees: [30, 25, -20], factor: 2.6 }]],
    ["slices turned in plane", [3, 9, 9], [3, 6, 7], [{ degrees: [133, 0, 0] }]],
  ] as readonly (readonly [string, Dims3, Dims3, readonly Sample[]])[]
) {
  const n = samples.length;
  const rows = { shape: [n, augmentationLength(2)], data: parameters(2, samples) };
  gpuTest(`samplePatch() matches the reference: ${name}`, (gpu) =>
    checkOp(gpu, {
      op: samplePatch,
      attrs: { size },
      inputs: [{ shape: [n, 2, ...crop] }, rows],
      tolerance: { atol: 1e-5, rtol: 1e-5 },
    }));
  gpuTest(`sampleLabels() matches the reference: ${name}`, (gpu) =>
    checkOp(gpu, {
      op: sampleLabels,
      attrs: { size },
      inputs: [{
        shape: [n, 1, ...crop],
        data: noise(n * elementCount(crop), 6).map((v) => Math.floor(2.5 * v + 1.5)) as Float32Array<
          ArrayBuffer
        >,
      }, rows],
      tolerance: { atol: 0, rtol: 0 },
    }));
}

Deno.test("sampleLabels() takes the larger of two equal shares, -1 outside and 0 where none has half", () => {
  const sample = (label: readonly number[], size: Dims3, matrix: readonly number[]) => {
    const rows = parameters(0, [{}]);
    rows.set(matrix, SAMPLE_AT.matrix);
    rows[SAMPLE_AT.interpolate] = 1;
    const crop: Dims3 = [1, 2, label.length / 2];
    const [found] = sampleLabels.reference({
      inputs: [Float64Array.from(label), Float64Array.from(rows)],
      inputSpecs: [tensor([1, 1, ...crop]), tensor([1, SAMPLE_LENGTH])],
      outputSpecs: [tensor([1, 1, ...size])],
      attrs: { size },
    });
    return [...found];
  };
  const still = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  assert.deepEqual(sample([3, 3, 3, 5, 5, 5], [1, 1, 3], still), [5, 5, 5]);
  assert.deepEqual(sample([1, 2, 3, 4], [1, 1, 1], still), [0]);
  const wide = [1, 0, 0, 0, 1, 0, 0, 0, 1.9];
  assert.deepEqual(sample([7, 7, 7, 7, 7, 7], [1, 2, 3], wide), [-1, 7, -1, -1, 7, -1]);
});

gpuTest("finishPatch() mirrors, masks told channels and removes -1", (gpu) =>
  checkOp<FinishPatchAttrs>(gpu, {
    op: finishPatch,
    attrs: { maskImage: [true, false, true] },
    inputs: [{ shape: [2, 3, 3, 4, 5] }, {
      shape: [2, 1, 3, 4, 5],
      data: noise(120, 9).map((v) => Math.floor(2 * v)) as Float32Array<ArrayBuffer>,
    }, {
      shape: [2, augmentationLength(3)],
      data: parameters(3, [{ mirror: [1, 0, 1] }, { mirror: [0, 1, 0] }]),
    }],
    tolerance: { atol: 0, rtol: 0 },
  }));

Deno.test("augmentation operations refuse what does not fit", () => {
  const image = tensor([2, 2, 8, 8, 8]), label = tensor([2, 1, 8, 8, 8]), rows = tensor([2, 36]);
  assert.throws(
    () => gaussianBlur.infer([image, tensor([2, 26])], {}),
    /gaussianBlur: image is dense \[2,2,8,8,8\], parameters have shape \[2,26\], wanted \[2, 36\]/,
  );
  assert.throws(
    () => samplePatch.infer([image, rows], { size: [8, 9, 8] }),
    /patch 8x9x8 is larger than the crop 8x8x8: read a larger crop/,
  );
  assert.throws(
    () => samplePatch.infer([image, tensor([1, 36])], { size: [8, 8, 8] }),
    /parameters have shape/,
  );
  assert.throws(
    () => sampleLabels.infer([image, rows], { size: [8, 8, 8] }),
    /label has 2 channels, wanted 1/,
  );
  assert.throws(
    () => finishPatch.infer([image, tensor([2, 1, 8, 8, 7]), rows], { maskImage: [true, true] }),
    /label has shape/,
  );
  assert.throws(
    () => finishPatch.infer([image, label, rows], { maskImage: [true] }),
    /1 channels are told masked or not, image has 2/,
  );
});
