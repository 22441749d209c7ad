import assert from "node:assert/strict";
import { drawPatch, getPatchSize, startRange } from "../../data/sampler.ts";
import type { Dims3 } from "../../data/volume.ts";

Deno.test("getPatchSize() enlarges as the reference does", () => {
  for (const [size, crop] of [[160, 257], [128, 205], [96, 154], [192, 308]]) {
    assert.deepEqual(getPatchSize([size, size, size]), [crop, crop, crop]);
  }
  // Thin first axis: in-plane rotation only, the first axis stays.
  assert.deepEqual(getPatchSize([16, 160, 120]), [16, 188, 188]);
});

Deno.test("startRange() follows the formula of the specification", () => {
  // [data, crop, final] -> [lo, hi], by hand from spec/pretraining.md section 6
  assert.deepEqual(startRange(200, 257, 160), [-49, -8]); // need 97
  assert.deepEqual(startRange(100, 257, 160), [-79, -78]); // need 157: the image is smaller than the crop
  assert.deepEqual(startRange(300, 160, 160), [0, 140]);
  assert.deepEqual(startRange(160, 160, 160), [0, 0]);
  assert.deepEqual(startRange(150, 160, 160), [-5, -5]);
  assert.deepEqual(startRange(151, 160, 160), [-5, -4]);
  for (let data = 1; data < 60; data++) {
    for (let crop = 20; crop < 40; crop++) {
      const [lo, hi] = startRange(data, crop, 20);
      assert.ok(lo <= hi);
      // The final patch, cut from the crop's centre, overlaps the image, and covers it when it is larger.
      const offset = Math.floor((crop - 20) / 2);
      for (const start of [lo, hi]) {
        assert.ok(start + offset < data && start + offset + 20 > 0, `${data} ${crop} ${start}`);
      }
    }
  }
});

Deno.test("drawPatch() is pure, uniform over images and over the whole range of starts", () => {
  const shapes: Dims3[] = [[20, 30, 40], [12, 50, 24], [64, 64, 64]];
  const crop: Dims3 = [26, 26, 26], final: Dims3 = [16, 16, 16];
  const images = new Float64Array(3), starts = new Map<number, number>();
  for (let step = 0; step < 1500; step++) {
    for (let sampleIndex = 0; sampleIndex < 4; sampleIndex++) {
      const key = { seed: 3, step, sampleIndex };
      const { volume, start } = drawPatch(key, shapes, crop, final);
      images[volume]++;
      start.forEach((at, axis) => {
        const [lo, hi] = startRange(shapes[volume][axis], crop[axis], final[axis]);
        assert.ok(at >= lo && at <= hi);
      });
      if (volume === 0) starts.set(start[0], (starts.get(start[0]) ?? 0) + 1);
      if (step % 100 === 0) assert.deepEqual(drawPatch(key, shapes, crop, final), { volume, start });
    }
  }
  for (const count of images) assert.ok(Math.abs(count - 2000) < 200, `${images}`);
  const [lo, hi] = startRange(20, 26, 16);
  assert.equal(starts.size, hi - lo + 1);
  const differs = (a: object, b: object) =>
    JSON.stringify(drawPatch({ seed: 1, step: 5, sampleIndex: 2, ...a }, shapes, crop, final)) !==
      JSON.stringify(drawPatch({ seed: 1, step: 5, sampleIndex: 2, ...b }, shapes, crop, final));
  assert.ok(
    differs({}, { seed: 2 }) && differs({}, { step: 6 }) && differs({}, { sampleIndex: 3 }) &&
      differs({}, { stream: 1 }),
  );
  assert.throws(() => drawPatch({ seed: 1, step: 0, sampleIndex: 0 }, [], crop, final), /found no image/);
  assert.throws(
    () => drawPatch({ seed: 1, step: 0, sampleIndex: 0 }, shapes, final, crop),
    /is smaller than patch/,
  );
});
