import assert from "node:assert/strict";
import { cropLabels, cropToNonzero, fillHoles, nonzeroBox, nonzeroMask } from "../../data/crop.ts";
import { intensityStatistics, rescaleTo01, zScore } from "../../data/normalize.ts";
import { preprocessArray, transposeAxes } from "../../data/preprocess_array.ts";
import { hashRandom } from "../../data/random.ts";
import type { Dims3 } from "../../data/volume.ts";
import { assertAllClose } from "../support/tolerance.ts";

/** Background joined to the border, by repeated growth until nothing changes. */
function naiveFill(mask: Uint8Array, [d, h, w]: Dims3): Uint8Array {
  const at = (z: number, y: number, x: number) => (z * h + y) * w + x;
  const outside = new Uint8Array(mask.length);
  const inside = (z: number, y: number, x: number) => z >= 0 && y >= 0 && x >= 0 && z < d && y < h && x < w;
  for (let changed = true; changed;) {
    changed = false;
    for (let z = 0; z < d; z++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          const i = at(z, y, x);
          if (mask[i] || outside[i]) continue;
          const neighbours = [[z - 1, y, x], [z + 1, y, x], [z, y - 1, x], [z, y + 1, x], [z, y, x - 1], [
            z,
            y,
            x + 1,
          ]];
          if (neighbours.some(([a, b, c]) => !inside(a, b, c) || outside[at(a, b, c)] === 1)) {
            outside[i] = 1;
            changed = true;
          }
        }
      }
    }
  }
  return outside.map((value) => 1 - value);
}

Deno.test("fillHoles() equals growth from the border on random masks of odd shapes", () => {
  const shapes: Dims3[] = [[6, 7, 8], [1, 9, 9], [5, 1, 4], [3, 3, 3], [9, 8, 2]];
  for (let seed = 0; seed < 40; seed++) {
    const shape = shapes[seed % shapes.length], random = hashRandom(seed);
    const density = 0.3 + 0.4 * random.uniform();
    const mask = Uint8Array.from(
      { length: shape[0] * shape[1] * shape[2] },
      () => (random.uniform() < density ? 1 : 0),
    );
    assertAllClose(
      fillHoles(mask.slice(), shape),
      naiveFill(mask, shape),
      { atol: 0, rtol: 0 },
      `seed ${seed}`,
    );
  }
});

Deno.test("cropToNonzero() joins channels and fills holes; cropLabels() marks labels outside with -1 where they are 0", () => {
  const shape: Dims3 = [5, 5, 6], data = new Float32Array(300), labels = new Int32Array(150);
  const at = (z: number, y: number, x: number) => (z * 5 + y) * 6 + x;
  for (let z = 1; z < 4; z++) for (let y = 1; y < 4; y++) for (let x = 2; x < 5; x++) data[at(z, y, x)] = 5;
  data[at(2, 2, 3)] = 0; // a hole
  data[at(3, 3, 4)] = 0; // an open corner
  data[150 + at(1, 1, 1)] = -2; // the second channel widens the box
  labels[at(3, 3, 4)] = 9;
  labels[at(1, 2, 1)] = 0;
  const crop = cropToNonzero(data, shape)!, cropped = cropLabels(labels, shape, crop);
  assert.deepEqual(crop.box, { start: [1, 1, 1], stop: [4, 4, 5] });
  assert.deepEqual(crop.shape, [3, 3, 4]);
  const inBox = (z: number, y: number, x: number) => ((z - 1) * 3 + y - 1) * 4 + x - 1;
  assert.equal(cropped[inBox(2, 2, 3)], 0);
  assert.equal(cropped[inBox(3, 3, 4)], 9);
  assert.equal(cropped[inBox(1, 1, 1)], 0);
  assert.equal(cropped[inBox(1, 2, 1)], -1);
  assert.equal(crop.data[inBox(1, 1, 2)], 5);
  assert.equal(crop.data[36 + inBox(1, 1, 1)], -2);
  assert.equal(cropToNonzero(new Float32Array(150), shape), null);
  assert.equal(nonzeroBox(new Float32Array(150), shape), null);
  assert.equal(nonzeroMask(data, shape).reduce((sum, value) => sum + value, 0), 26);
});

Deno.test("zScore() uses float64 population statistics, of the mask when asked, and survives constants", () => {
  const data = Float32Array.from({ length: 1000 }, (_, i) => 1e6 + (i % 7));
  const mean = data.reduce((sum, value) => sum + value, 0) / 1000;
  const std = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 1000);
  assertAllClose(Object.values(zScore(data)), [mean, std], { atol: 0, rtol: 1e-12 });
  assertAllClose(Object.values(intensityStatistics(data)), [0, 1], { atol: 1e-6, rtol: 1e-6 });
  const masked = Float32Array.of(100, 1, 3, 200);
  zScore(masked, Int32Array.of(-1, 0, 5, -1));
  assertAllClose(masked, [100, -1, 1, 200], { atol: 0, rtol: 0 });
  const constant = new Float32Array(5).fill(4);
  assert.equal(zScore(constant).std, 0);
  assert.ok(constant.every((value) => value === 0));
  const range = Float32Array.of(-1, 1, 3);
  rescaleTo01(range);
  assertAllClose(range, [0, 0.5, 1], { atol: 0, rtol: 0 });
});

Deno.test("preprocessArray() transposes, crops, normalises before it resamples", async () => {
  const shape: Dims3 = [4, 6, 8], random = hashRandom(2);
  const data = Float32Array.from({ length: 192 }, () => random.normal() * 30 + 100);
  for (let i = 0; i < 48; i++) data[i] = 0; // the first slice
  const result = (await preprocessArray(data, shape, {
    spacing: [3, 1, 2],
    targetSpacing: [1, 2, 1.5],
    transpose: [2, 0, 1],
  }))!;
  assert.deepEqual(result.shapeBeforeCropping, [8, 4, 6]);
  assert.deepEqual(result.box, { start: [0, 1, 0], stop: [8, 4, 6] });
  assert.deepEqual(result.shape, [16, 4, 4]); // 8 * 2 / 1; 3 * 3 / 2 = 4.5, half to even; 6 * 1 / 1.5
  assertAllClose(Object.values(result.statistics), Object.values(intensityStatistics(data.subarray(48))), {
    atol: 0,
    rtol: 1e-12,
  });
  const same = (await preprocessArray(data, shape, { spacing: [3, 1, 2], targetSpacing: null }))!;
  assertAllClose(Object.values(intensityStatistics(same.data)), [0, 1], { atol: 1e-6, rtol: 1e-6 });
  assert.equal(
    await preprocessArray(new Float32Array(192), shape, { spacing: [1, 1, 1], targetSpacing: null }),
    null,
  );
  const turned = transposeAxes(Float32Array.from({ length: 24 }, (_, i) => i), [2, 3, 4], [2, 0, 1]);
  assert.equal(turned[(1 * 2 + 1) * 3 + 2], (1 * 3 + 2) * 4 + 1);
});
