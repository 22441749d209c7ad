import assert from "node:assert/strict";
import { gaussianAxis, gaussianMap } from "../../../train/predict/gaussian.ts";
import { PredictionError } from "../../../train/predict/errors.ts";
import { windowAxis, windowStarts } from "../../../train/predict/windows.ts";

Deno.test("windowStarts() spreads windows evenly, rounded half to even", () => {
  assert.deepEqual(windowStarts(37, 16, 0.5), [0, 7, 14, 21]);
  assert.deepEqual(windowStarts(41, 16, 0.5), [0, 6, 12, 19, 25]); // 18.75 and 6.25, 12.5
  assert.deepEqual(windowStarts(17, 12, 0.5), [0, 5]);
  assert.deepEqual(windowStarts(16, 16, 0.5), [0]);
});

Deno.test("windowStarts() leaves no voxel out and no window outside", () => {
  for (const patch of [1, 5, 8, 16]) {
    for (let size = patch; size < 4 * patch + 3; size++) {
      for (const step of [0.25, 0.5, 0.75, 1]) {
        const starts = windowStarts(size, patch, step);
        assert.equal(starts[0], 0);
        assert.equal(starts.at(-1)! + patch, size);
        starts.slice(1).forEach((start, i) => assert.ok(start >= starts[i] && start - starts[i] <= patch));
      }
    }
  }
});

Deno.test("windowAxis() gives weights that add up to 1 in every voxel, and pads what is smaller than the patch", () => {
  for (const [size, patch] of [[37, 16], [5, 16], [16, 16], [23, 7]]) {
    const axis = windowAxis(size, patch, 0.5);
    const sum = new Float64Array(axis.padded);
    axis.starts.forEach((start, w) => axis.weights[w].forEach((weight, i) => sum[start + i] += weight));
    sum.forEach((total) => assert.ok(Math.abs(total - 1) < 1e-12));
    assert.equal(axis.padded, Math.max(size, patch));
  }
  assert.equal(windowAxis(5, 16, 0.5).before, 5);
  for (const step of [0, -1, 1.5, NaN]) assert.throws(() => windowAxis(37, 16, step), PredictionError);
});

Deno.test("gaussianMap() peaks at floor(patch / 2) and has no zero", () => {
  for (const patch of [[16, 16, 16], [8, 5, 12], [1, 7, 160]] as const) {
    const map = gaussianMap(patch);
    const centre = patch.map((size) => Math.floor(size / 2));
    assert.equal(map[(centre[0] * patch[1] + centre[1]) * patch[2] + centre[2]], 10);
    assert.ok(map.every((weight) => weight > 0 && weight <= 10));
  }
  assert.ok(Math.abs(gaussianAxis(16)[0] - Math.exp(-8)) < 1e-15); // four standard deviations away
});
