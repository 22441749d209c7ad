import assert from "node:assert/strict";
import { caseImage, CASES } from "../../bench/resample/cases.ts";
import { compareAnswers } from "../../bench/resample/compare.ts";
import type { ResampleAnswer, ResampleJob } from "../../bench/resample/job.ts";
import { Side } from "../../bench/resample/side.ts";
import { resampleImage } from "../../data/resample.ts";
import type { Dims3 } from "../../data/volume.ts";
import { repositoryRoot } from "../support/spawn.ts";

const OURS = ["run", "--allow-all", "--no-check", `${repositoryRoot}/bench/resample/ours.ts`];

Deno.test("compareAnswers() gives the ratio of medians and the largest difference over the range", () => {
  const answer = (ms: number, samples: number[]): ResampleAnswer => ({ ms, samples });
  const compared = compareAnswers(
    [answer(9, [0]), answer(10, [0]), answer(30, [0, 10.5, 20])],
    [answer(40, [0]), answer(20, [0]), answer(35, [0, 10, 20])],
  );
  assert.deepEqual(compared, {
    oursMedianMs: 10,
    peerMedianMs: 35,
    ratio: 3.5,
    oursMs: [9, 10, 30],
    peerMs: [40, 20, 35],
    difference: 0.5 / 20,
  });
  assert.throws(() => compareAnswers([answer(1, [1])], [answer(1, [1, 2])]), /found 1 and 2 voxels/);
});

Deno.test("our side of the resampling benchmark answers a job with time and voxels", async () => {
  const file = await Deno.makeTempFile();
  const shape: Dims3 = [5, 6, 7], newShape: Dims3 = [4, 5, 6], spacing: Dims3 = [0.88, 0.88, 0.88];
  const image = caseImage({ ...CASES[0], shape });
  await Deno.writeFile(file, new Uint8Array(image.buffer));
  const side = new Side(Deno.execPath(), OURS, null);
  try {
    assert.equal((await side.answer<{ name: string }>()).name, "spark3d");
    const newSpacing: Dims3 = [1, 1, 1];
    const job: ResampleJob = { file, shape, newShape, spacing, newSpacing, separateAxis: null, every: 7 };
    const { ms, samples } = await side.ask<ResampleAnswer>(job);
    assert.ok(ms > 0);
    const wanted = resampleImage(image, shape, newShape, spacing, newSpacing);
    assert.deepEqual(samples, [...wanted].filter((_, i) => i % 7 === 0));
  } finally {
    await side.close();
    await Deno.remove(file);
  }
  await assert.rejects(side.answer(), /ended with code 0, wanted an answer/);
});
