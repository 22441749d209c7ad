import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import { BaselineError, TrivialBaselines } from "../../train/baselines.ts";
import { expandMask, sampleBlockMask } from "../../train/mask.ts";
import { nearestVisible } from "../../train/nearest_visible.ts";

type Dims = readonly [number, number, number];

/** Tries every visible voxel; the smallest index wins a tie. */
function nearestByTrying(visible: Uint8Array, [depth, height, width]: Dims): Int32Array {
  const found = new Int32Array(visible.length).fill(-1);
  for (let i = 0; i < visible.length; i++) {
    const d = Math.floor(i / (height * width)), h = Math.floor(i / width) % height, w = i % width;
    let best = Infinity;
    for (let j = 0; j < visible.length; j++) {
      if (visible[j] === 0) continue;
      const e = [d - Math.floor(j / (height * width)), h - Math.floor(j / width) % height, w - j % width];
      const squared = e[0] * e[0] + e[1] * e[1] + e[2] * e[2];
      if (squared < best) {
        best = squared;
        found[i] = j;
      }
    }
  }
  assert.equal(found.length, depth * height * width);
  return found;
}

function assertSameIndices(found: Int32Array, wanted: Int32Array, label: string): void {
  assert.equal(found.length, wanted.length, label);
  for (let i = 0; i < found.length; i++) assert.equal(found[i], wanted[i], `${label}, voxel ${i}`);
}

Deno.test("nearestVisible() equals trying every visible voxel, ties included", () => {
  const shapes: Dims[] = [[1, 1, 1], [1, 1, 9], [1, 9, 1], [9, 1, 1], [5, 7, 6], [8, 8, 8], [3, 11, 4]];
  for (const [index, shape] of shapes.entries()) {
    for (const share of [0.02, 0.1, 0.5, 0.95]) {
      const rng = hashRandom(11, index, Math.round(share * 100));
      const visible = Uint8Array.from(
        { length: shape[0] * shape[1] * shape[2] },
        () => rng.uniform() < share ? 1 : 0,
      );
      visible[rng.int(0, visible.length - 1)] = 1;
      assertSameIndices(nearestVisible(visible, shape), nearestByTrying(visible, shape), `${shape} ${share}`);
    }
  }
});

Deno.test("nearestVisible() equals trying every visible voxel for block masks", () => {
  const shape: Dims = [12, 16, 8];
  for (let sample = 0; sample < 4; sample++) {
    const mask = sampleBlockMask({ patch: shape, block: 4, ratio: 0.8, seed: 3, step: 0, sample });
    const visible = expandMask(mask.kept, mask.grid, shape);
    assertSameIndices(nearestVisible(visible, shape), nearestByTrying(visible, shape), `sample ${sample}`);
  }
});

Deno.test("nearestVisible() marks everything when nothing is visible", () => {
  assert.ok(nearestVisible(new Uint8Array(24), [2, 3, 4]).every((index) => index === -1));
});

Deno.test("TrivialBaselines: the constant is the mean of all hidden voxels of all patches", () => {
  const rng = hashRandom(5);
  const baselines = new TrivialBaselines();
  const hidden: number[] = [];
  let copied = 0;
  for (let patch = 0; patch < 3; patch++) {
    const shape: Dims = [4, 6, 4];
    const target = Float32Array.from({ length: 96 }, () => rng.normal() * (patch + 1) + patch * 10);
    const visible = expandMask(
      sampleBlockMask({ patch: shape, block: 2, ratio: 0.5 + 0.1 * patch, seed: 2, step: 0, sample: patch })
        .kept,
      [2, 3, 2],
      shape,
    );
    const source = nearestByTrying(visible, shape);
    for (let i = 0; i < 96; i++) {
      if (visible[i] === 1) continue;
      hidden.push(target[i]);
      copied += (target[source[i]] - target[i]) ** 2;
    }
    baselines.add(target, visible, shape);
  }
  const mean = hidden.reduce((a, b) => a + b) / hidden.length;
  const mse = (c: number) => hidden.reduce((a, b) => a + (b - c) ** 2, 0) / hidden.length;
  const losses = baselines.losses();
  assert.equal(losses.hiddenVoxels, hidden.length);
  assert.ok(Math.abs(losses.bestConstant - mean) < 1e-12 * Math.abs(mean));
  assert.ok(Math.abs(losses.constant - mse(mean)) < 1e-12 * mse(mean));
  assert.ok(
    losses.constant < mse(mean + 0.01) && losses.constant < mse(mean - 0.01),
    "no other constant does better",
  );
  assert.ok(Math.abs(losses.nearest - copied / hidden.length) < 1e-12 * losses.nearest);
});

Deno.test("TrivialBaselines: a flat patch costs nothing, a ramp costs its squared steps", () => {
  const flat = new TrivialBaselines();
  flat.add(new Float32Array(8).fill(3), new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]), [2, 2, 2]);
  assert.deepEqual(flat.losses(), { bestConstant: 3, constant: 0, nearest: 0, hiddenVoxels: 7 });
  const ramp = new TrivialBaselines();
  ramp.add(new Float32Array([0, 1, 2, 3]), new Uint8Array([1, 0, 0, 0]), [1, 1, 4]);
  assert.deepEqual(ramp.losses(), { bestConstant: 2, constant: 2 / 3, nearest: 14 / 3, hiddenVoxels: 3 });
});

Deno.test("TrivialBaselines refuses what it cannot measure", () => {
  const baselines = new TrivialBaselines();
  assert.throws(() => baselines.losses(), BaselineError);
  assert.throws(
    () => baselines.add(new Float32Array(8), new Uint8Array(8), [2, 2, 2]),
    /no visible voxel to copy/,
  );
  assert.throws(
    () => baselines.add(new Float32Array(8), new Uint8Array(7), [2, 2, 2]),
    /found 8 values and 7 mask/,
  );
  baselines.add(new Float32Array(8), new Uint8Array(8).fill(1), [2, 2, 2]);
  assert.throws(() => baselines.losses(), /no hidden voxel was added/);
});
