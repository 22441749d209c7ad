import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import { resampledShape, resampleImage, roundHalfToEven, separateZ } from "../../data/resample.ts";
import { transposeAxes } from "../../data/preprocess_array.ts";
import { resampleLabels } from "../../data/resample_labels.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";
import { assertAllClose } from "../support/tolerance.ts";
import { naiveSplineResize } from "./naive_resample.ts";

const ISO: Dims3 = [1, 1, 1];

function noise(shape: Dims3, seed: number): Float32Array {
  const random = hashRandom(seed);
  return Float32Array.from({ length: voxelCount(shape) }, () => random.normal());
}

const RESIZES: [Dims3, Dims3][] = [
  [[5, 6, 7], [7, 4, 9]],
  [[4, 4, 4], [8, 8, 8]],
  [[9, 5, 3], [2, 3, 5]],
  [[1, 6, 2], [3, 2, 7]],
  [[6, 5, 40], [5, 5, 3]],
  [[3, 35, 3], [4, 37, 2]],
];
for (const [shape, newShape] of RESIZES) {
  Deno.test(`resampleImage() equals a direct evaluation of the spline, ${shape.join("x")} to ${newShape.join("x")}`, () => {
    const data = noise(shape, voxelCount(shape)), before = data.slice();
    const resized = resampleImage(data, shape, newShape, ISO, ISO);
    assertAllClose(resized, naiveSplineResize(data, shape, newShape), { atol: 1e-6, rtol: 1e-6 });
    assertAllClose(data, before, { atol: 0, rtol: 0 }, "the input");
  });
}

Deno.test("resampleImage() resizes channels alone, keeps constants, and the input itself when nothing changes", () => {
  const shape: Dims3 = [4, 5, 6], newShape: Dims3 = [5, 7, 4];
  const a = noise(shape, 1), b = noise(shape, 2), both = new Float32Array(240);
  both.set(a);
  both.set(b, 120);
  const resized = resampleImage(both, shape, newShape, ISO, ISO);
  assertAllClose(resized.subarray(0, 140), resampleImage(a, shape, newShape, ISO, ISO), { atol: 0, rtol: 0 });
  assertAllClose(resized.subarray(140), resampleImage(b, shape, newShape, ISO, ISO), { atol: 0, rtol: 0 });
  const constant = resampleImage(new Float32Array(120).fill(3.3), shape, newShape, ISO, ISO);
  assert.ok(constant.every((value) => value === Math.fround(3.3)));
  assert.equal(resampleImage(a, shape, shape, ISO, ISO), a);
  assert.throws(() => resampleImage(a, shape, [0, 5, 6], ISO, ISO), /found new shape 0x5x6/);
});

Deno.test("resampleImage() clamps to the input's range, per slice when one axis is separate", () => {
  const shape: Dims3 = [2, 8, 8];
  const data = Float32Array.from({ length: 128 }, (_, i) => (i % 8 < 4 ? 0 : 1) * (i < 64 ? 1 : 100));
  const spacing: Dims3 = [5, 1, 1];
  const resized = resampleImage(data, shape, [4, 12, 12], spacing, [2.5, 2 / 3, 2 / 3]);
  const first = resized.subarray(0, 2 * 144), second = resized.subarray(2 * 144);
  assert.equal(first.reduce((high, value) => Math.max(high, value), 0), 1);
  assert.equal(second.reduce((high, value) => Math.max(high, value), 0), 100);
  assert.equal(resized.reduce((low, value) => Math.min(low, value), 9), 0);
});

for (const order of [[1, 0, 2], [1, 2, 0], [2, 0, 1]] as const) {
  Deno.test(`resampleImage() gives a transposed result for a transposed image, thick slices included, ${order}`, () => {
    const shape: Dims3 = [5, 37, 34], newShape: Dims3 = [14, 30, 41];
    const permute = (values: Dims3): Dims3 => [values[order[0]], values[order[1]], values[order[2]]];
    const data = noise(shape, 3).map((value, i) => value * (1 + Math.floor(i / (37 * 34))));
    for (const orderZ of [0, 1, 3] as const) {
      for (const spacing of [[5, 1, 1], [1, 1, 1]] as const) {
        const options = { orderZ };
        const resized = resampleImage(data, shape, newShape, spacing, ISO, options);
        const turned = resampleImage(
          transposeAxes(data, shape, order),
          permute(shape),
          permute(newShape),
          permute(spacing),
          ISO,
          options,
        );
        assertAllClose(turned, transposeAxes(resized, newShape, order), { atol: 2e-6, rtol: 1e-6 });
      }
    }
  });
}

Deno.test("resampleImage() with order 0 and 1 equals nearest and linear by hand", () => {
  const line = Float32Array.of(0, 10, 20, 60), shape: Dims3 = [1, 1, 4];
  assertAllClose(resampleImage(line, shape, [1, 1, 8], ISO, ISO, { order: 1 }), [
    0,
    2.5,
    7.5,
    12.5,
    17.5,
    30,
    50,
    60,
  ], {
    atol: 1e-6,
    rtol: 0,
  });
  assertAllClose(resampleImage(line, shape, [1, 1, 2], ISO, ISO, { order: 1 }), [5, 40], {
    atol: 1e-6,
    rtol: 0,
  });
  assertAllClose(resampleImage(line, shape, [1, 1, 2], ISO, ISO, { order: 0 }), [10, 60], {
    atol: 0,
    rtol: 0,
  });
  assertAllClose(resampleImage(line, shape, [2, 1, 5], ISO, ISO, { order: 0 }), [
    0,
    10,
    20,
    20,
    60,
    0,
    10,
    20,
    20,
    60,
  ], {
    atol: 0,
    rtol: 0,
  });
});

Deno.test("resampleLabels() gives the larger label at a tie and 0 where no label reaches one half", () => {
  const plane = (values: number[]) => Int32Array.from(values);
  // Halfway between 1 and 3: both have one half.
  assert.deepEqual([...resampleLabels(plane([3, 1]), [1, 1, 2], [1, 1, 1], ISO, ISO)], [3]);
  // Four different corners: a quarter each.
  assert.deepEqual([...resampleLabels(plane([5, 6, 7, 8]), [1, 2, 2], [1, 1, 1], ISO, ISO)], [0]);
  assert.deepEqual([...resampleLabels(plane([-1, -1, 4, 4]), [1, 1, 4], [1, 1, 2], ISO, ISO)], [-1, 4]);
  // Along a separate axis one half is not enough.
  const separate = resampleLabels(plane([3, 1]), [2, 1, 1], [1, 1, 1], [9, 1, 1], [18, 1, 1], { orderZ: 1 });
  assert.deepEqual([...separate], [0]);
});

Deno.test("resampleLabels() with order 1 equals one indicator after the other", () => {
  const shape: Dims3 = [5, 6, 7], newShape: Dims3 = [7, 5, 10], random = hashRandom(8);
  const labels = Int32Array.from({ length: 210 }, () => random.int(0, 4) * 10);
  const wanted = new Int32Array(voxelCount(newShape));
  for (const label of [0, 10, 20, 30, 40]) {
    const indicator = Float32Array.from(labels, (value) => (value === label ? 1 : 0));
    const share = resampleImage(indicator, shape, newShape, ISO, ISO, { order: 1 });
    for (let i = 0; i < wanted.length; i++) if (share[i] >= 0.5) wanted[i] = label;
  }
  assertAllClose(resampleLabels(labels, shape, newShape, ISO, ISO), wanted, { atol: 0, rtol: 0 });
  assert.equal(resampleLabels(labels, shape, shape, ISO, ISO), labels);
  const cubic = resampleLabels(labels, shape, newShape, ISO, ISO, { order: 3 });
  assert.ok(cubic.some((value) => value === 40) && cubic.every((value) => value % 10 === 0));
});

Deno.test("resampledShape() rounds half to even", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 3.5, 2.4999, 3.5001].map(roundHalfToEven), [0, 2, 2, 4, 2, 4]);
  assert.deepEqual(resampledShape([5, 7, 3], [0.5, 0.5, 1.5], ISO), [2, 4, 4]);
});

Deno.test("separateZ() asks the old spacing first and wants one coarsest axis", () => {
  assert.deepEqual(separateZ([3, 1, 1], ISO), { separate: false, axis: null });
  assert.deepEqual(separateZ([1, 3.1, 1], ISO), { separate: true, axis: 1 });
  assert.deepEqual(separateZ(ISO, [1, 1, 4]), { separate: true, axis: 2 });
  assert.deepEqual(separateZ([0.24, 1.25, 1.25], ISO), { separate: false, axis: null });
  assert.deepEqual(separateZ([5, 1, 1], ISO, false), { separate: false, axis: null });
  assert.deepEqual(separateZ([2, 1, 1], ISO, true), { separate: true, axis: 0 });
});
