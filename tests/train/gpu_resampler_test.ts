import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import { preprocessArray } from "../../data/preprocess_array.ts";
import { resampleImage, type ResampleOptions, resampleSteps } from "../../data/resample.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";
import { LimitError } from "../../kernels/errors.ts";
import { axisTable } from "../../kernels/ops/resize/taps.ts";
import { gpuResampler } from "../../train/gpu_resampler.ts";
import { cutSlabs } from "../../train/resample_slabs.ts";
import { gpuTest } from "../support/gpu.ts";
import { assertAllClose } from "../support/tolerance.ts";

const MM: Dims3 = [1, 1, 1];

function noise(shape: Dims3, channels = 1): Float32Array {
  const random = hashRandom(9);
  return Float32Array.from({ length: channels * voxelCount(shape) }, () => 100 * random.normal());
}

/** What the docstring promises: 5e-6 of the largest absolute value. */
function promised(data: Float32Array): { atol: number; rtol: number } {
  return { atol: 5e-6 * data.reduce((most, value) => Math.max(most, Math.abs(value)), 0), rtol: 0 };
}

interface Case {
  readonly name: string;
  readonly shape: Dims3;
  readonly newShape: Dims3;
  readonly spacing?: Dims3;
  readonly newSpacing?: Dims3;
  readonly channels?: number;
  readonly options?: ResampleOptions;
}

const CASES: readonly Case[] = [
  { name: "all axes, two channels", shape: [21, 18, 25], newShape: [17, 23, 12], channels: 2 },
  { name: "one axis", shape: [9, 8, 7], newShape: [9, 8, 15] },
  { name: "along D alone", shape: [40, 3, 5], newShape: [33, 3, 5] },
  { name: "single voxels", shape: [1, 6, 2], newShape: [3, 2, 7] },
  { name: "linear", shape: [20, 11, 12], newShape: [31, 9, 12], options: { order: 1 } },
  { name: "nearest, copied here", shape: [20, 11, 12], newShape: [31, 9, 12], options: { order: 0 } },
  ...([[5, 1, 1], [1, 5, 1], [1, 1, 5]] as const).flatMap((spacing, axis): Case[] =>
    ([0, 1, 3] as const).map((orderZ) => ({
      name: `thick slices along ${"DHW"[axis]}, order ${orderZ} along them`,
      shape: [8, 12, 10],
      newShape: [20, 9, 24],
      spacing,
      options: { orderZ },
    }))
  ),
];

for (const { name, shape, newShape, spacing = MM, newSpacing = MM, channels, options } of CASES) {
  gpuTest(`gpuResampler() gives what resampleImage() gives: ${name}`, async (gpu) => {
    const data = noise(shape, channels), before = data.slice();
    const wanted = resampleImage(data, shape, newShape, spacing, newSpacing, options);
    const plane = 4 * Math.max(...shape, ...newShape) ** 2;
    for (const slabBytes of [undefined, 34 * plane]) {
      const resample = gpuResampler(gpu, { ...options, slabBytes });
      const found = await resample(data, shape, newShape, spacing, newSpacing);
      assertAllClose(found, wanted, promised(data), `slabs of ${slabBytes} bytes`);
    }
    assertAllClose(data, before, { atol: 0, rtol: 0 }, "the input");
  });
}

gpuTest(
  "gpuResampler() cuts a volume into slabs that give what one gives, and takes shared memory",
  async (gpu) => {
    const shape: Dims3 = [150, 6, 7], newShape: Dims3 = [171, 8, 5];
    const data = noise(shape), shared = new Float32Array(new SharedArrayBuffer(data.byteLength));
    shared.set(data);
    const slabBytes = 4 * 6 * 7 * 50;
    const along = axisTable(150, 171, 3), steps = resampleSteps(shape, newShape, MM, MM);
    assert.ok(cutSlabs(shape, steps, along, gpu.facts, slabBytes).slabs.length > 4);
    const whole = await gpuResampler(gpu)(data, shape, newShape, MM, MM);
    const cut = await gpuResampler(gpu, { slabBytes })(shared, shape, newShape, MM, MM);
    assertAllClose(cut, whole, { atol: 0, rtol: 0 });
  },
);

gpuTest(
  "gpuResampler() runs calls one after the other; one that fails leaves the others alone",
  async (gpu) => {
    const shape: Dims3 = [6, 7, 8], data = noise(shape), resample = gpuResampler(gpu);
    const refused = resample(data, shape, [0, 7, 8], MM, MM);
    const results = [[7, 8, 9], [5, 7, 8], [6, 7, 8]].map((to) =>
      resample(data, shape, to as unknown as Dims3, MM, MM)
    );
    await assert.rejects(refused, /found new shape 0x7x8/);
    const [a, b, same] = await Promise.all(results);
    assertAllClose(a, resampleImage(data, shape, [7, 8, 9], MM, MM), promised(data));
    assertAllClose(b, resampleImage(data, shape, [5, 7, 8], MM, MM), promised(data));
    assert.equal(same, data);
  },
);

gpuTest("preprocessArray() resamples on the GPU what it resamples on the processor", async (gpu) => {
  const shape: Dims3 = [12, 14, 16], data = noise(shape);
  data.fill(0, 0, 14 * 16);
  const options = { spacing: [0.9, 1.2, 1.1], targetSpacing: MM } as const;
  const wanted = await preprocessArray(data, shape, options);
  const found = await preprocessArray(data, shape, { ...options, resampler: gpuResampler(gpu) });
  assert.deepEqual(found!.shape, wanted!.shape);
  assertAllClose(found!.data, wanted!.data, promised(wanted!.data));
});

Deno.test("cutSlabs() covers every plane, reads what each needs, keeps to the limit", () => {
  const shape: Dims3 = [90, 10, 12];
  for (const newShape of [[100, 9, 14], [31, 20, 12], [1, 10, 12], [90, 5, 12]] as const) {
    const steps = resampleSteps(shape, newShape, MM, MM);
    const along = newShape[0] === 90 ? null : axisTable(90, newShape[0], 3);
    for (const most of [4 * 20 * 14 * 100, 4 * 20 * 14 * 45, 4 * 20 * 14 * 36]) {
      const room = { maxBinding: 2 ** 30, maxBuffer: 2 ** 30 };
      const { planesIn, planesOut, slabs } = cutSlabs(shape, steps, along, room, most);
      const made = new Set<number>();
      for (const { to, from } of slabs) {
        for (let o = to; o < to + planesOut; o++) {
          made.add(o);
          const [low, high] = along ? [along.first[o], along.first[o] + along.taps - 1] : [o, o];
          assert.ok(from >= 0 && from + planesIn <= 90);
          assert.ok(from <= Math.min(Math.max(low, 0), 89), `plane ${o} of ${newShape}`);
          assert.ok(from + planesIn > Math.min(Math.max(high, 0), 89), `plane ${o} of ${newShape}`);
        }
      }
      assert.equal(made.size, newShape[0]);
      assert.ok(4 * planesIn * 10 * 12 <= most && 4 * planesOut * newShape[1] * newShape[2] <= most);
      assert.ok(slabs.length === 1 || slabs.length < 30, `${slabs.length} slabs`);
    }
  }
});

Deno.test("cutSlabs() says what does not fit: planes that are too large for one binding", () => {
  const shape: Dims3 = [40, 3000, 3000], newShape: Dims3 = [20, 3000, 3000];
  const steps = resampleSteps(shape, newShape, MM, MM);
  const device = { maxBinding: 128 * 2 ** 20, maxBuffer: 2 ** 30 };
  assert.throws(() => cutSlabs(shape, steps, axisTable(40, 20, 3), device), (error) => {
    assert.ok(error instanceof LimitError);
    assert.match(
      error.message,
      /Cannot resample 40x3000x3000 voxels on this GPU: one plane of the result needs/,
    );
    assert.match(error.message, /found room for 134217728: resample on the processor/);
    return true;
  });
});
