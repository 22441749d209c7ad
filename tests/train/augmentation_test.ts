import assert from "node:assert/strict";
import { rotationMatrix, sampleAugmentation } from "../../train/augmentation.ts";
import { runConfigSchema } from "../../train/config.ts";

const DEFAULTS = runConfigSchema.parse({}).augmentation;
type Config = typeof DEFAULTS;

function draw(sample: number, config: Partial<Config> = {}) {
  return sampleAugmentation({ seed: 5, step: 3, sample, config: { ...DEFAULTS, ...config } });
}

/** `factor` of `factor * R^T`, from the determinant. */
function factorOf(t: ArrayLike<number>): number {
  const [a, b, c, d, e, f, g, h, i] = Array.from(t).slice(0, 9);
  return Math.cbrt(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g));
}

const isIdentity = (t: ArrayLike<number>) =>
  Array.from(t).slice(0, 9).every((v, i) => v === (i % 4 === 0 ? 1 : 0));

Deno.test("sampleAugmentation() is a function of seed, step and sample only", () => {
  const config = { ...DEFAULTS, rotationProbability: 1 };
  const at = (seed: number, step: number, sample: number) =>
    [...sampleAugmentation({ seed, step, sample, config })].join();
  assert.equal(at(1, 2, 3), at(1, 2, 3));
  assert.equal(new Set([at(1, 2, 3), at(2, 2, 3), at(1, 3, 3), at(1, 2, 4)]).size, 4);
});

Deno.test("sampleAugmentation() draws the published probabilities", () => {
  const n = 4000;
  let [interpolated, scaled, rotated, enlarged] = [0, 0, 0, 0];
  const flips = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const t = draw(i);
    const factor = factorOf(t);
    const isScaled = Math.abs(factor - 1) > 1e-6;
    const isRotated = Math.abs(t[0] / factor - 1) > 1e-9 && !(t[1] === 0 && t[2] === 0);
    interpolated += t[12];
    scaled += Number(isScaled);
    enlarged += Number(isScaled && factor < 1);
    rotated += Number(isRotated);
    flips.forEach((_, axis) => flips[axis] += t[9 + axis]);
    assert.equal(t[12] === 1, isScaled || isRotated);
    if (t[12] === 0) assert.ok(isIdentity(t));
    assert.ok(factor > 0.7 - 1e-6 && factor < 1.4 + 1e-6);
    assert.deepEqual([...t.slice(13)], [0, 0, 0]);
  }
  const near = (count: number, p: number, of = n) => {
    const spread = 4 * Math.sqrt(p * (1 - p) / of); // four standard deviations
    assert.ok(Math.abs(count / of - p) < spread, `found ${count / of}, wanted ${p} +- ${spread}`);
  };
  near(rotated, 0.2);
  near(scaled, 0.2);
  near(interpolated, 0.36);
  near(enlarged, 0.5, scaled);
  flips.forEach((count) => near(count, 0.5));
});

Deno.test("sampleAugmentation() keeps angles within their limit and mirrors only when asked", () => {
  for (let i = 0; i < 300; i++) {
    const t = draw(i, { rotationProbability: 1, rotationDegrees: 30, scaleProbability: 0, mirror: false });
    assert.ok(Math.abs(factorOf(t) - 1) < 1e-6);
    // t holds R^T: R[0][2] = sin(ay), R[0][1] / R[0][0] = -tan(az), R[1][2] / R[2][2] = -tan(ax)
    const angles = [Math.atan2(-t[7], t[8]), Math.asin(t[6]), Math.atan2(-t[3], t[0])];
    for (const angle of angles) assert.ok(Math.abs(angle) <= Math.PI / 6 + 1e-6);
    assert.deepEqual([...t.slice(9, 13)], [0, 0, 0, 1]);
  }
});

Deno.test("sampleAugmentation() with one-sided ranges stays inside them", () => {
  for (let i = 0; i < 100; i++) {
    const only = { rotationProbability: 0, scaleProbability: 1 };
    const below = factorOf(draw(i, { ...only, scale: [0.5, 0.9] }));
    const above = factorOf(draw(i, { ...only, scale: [1.1, 1.5] }));
    assert.ok(below >= 0.5 - 1e-6 && below <= 0.9 + 1e-6 && above >= 1.1 - 1e-6 && above <= 1.5 + 1e-6);
  }
});

Deno.test("rotationMatrix() is the product of three right-handed rotations", () => {
  const [a, b, c] = [0.3, -0.4, 0.5];
  const x = [[1, 0, 0], [0, Math.cos(a), -Math.sin(a)], [0, Math.sin(a), Math.cos(a)]];
  const y = [[Math.cos(b), 0, Math.sin(b)], [0, 1, 0], [-Math.sin(b), 0, Math.cos(b)]];
  const z = [[Math.cos(c), -Math.sin(c), 0], [Math.sin(c), Math.cos(c), 0], [0, 0, 1]];
  const times = (m: number[][], n: number[][]) =>
    m.map((line) => [0, 1, 2].map((k) => line.reduce((sum, v, i) => sum + v * n[i][k], 0)));
  const wanted = times(times(x, y), z).flat();
  rotationMatrix(a, b, c).flat().forEach((v, i) => assert.ok(Math.abs(v - wanted[i]) < 1e-15));
});
