import assert from "node:assert/strict";
import { hashRandom } from "../../data/random.ts";
import type { Dims3 } from "../../data/volume.ts";
import { nearestDistances } from "../../evaluate/surface/nearest_distances.ts";
import { labelBoxes, padMask, unionBox } from "../../evaluate/surface/pad_mask.ts";
import {
  averageSymmetricDistance,
  hausdorff,
  surfaceDice,
  surfaceDistances,
} from "../../evaluate/surface/surface_distances.ts";
import { surfelAreas } from "../../evaluate/surface/surfel_areas.ts";

Deno.test("surfelAreas() has the published values at 1 mm, the same for a code and its complement, and scales with the spacing", () => {
  const areas = surfelAreas([1, 1, 1]);
  const published: [number, number][] = [
    [1, 0.2165],
    [3, 0.7071],
    [7, 1.1495],
    [15, 1],
    [23, 1.299],
    [24, 0.433],
    [51, 1],
  ];
  for (const [code, area] of published) assert.ok(Math.abs(areas[code] - area) < 5e-5, `code ${code}`);
  const stretched = surfelAreas([2, 2, 2]);
  for (let code = 0; code < 256; code++) {
    assert.equal(areas[code], areas[255 - code]);
    assert.ok(Math.abs(stretched[code] - 4 * areas[code]) < 1e-12);
    assert.equal(areas[code] === 0, code === 0 || code === 255);
  }
});

/** Every distance by comparing all pairs. */
function naiveDistances(seeds: number[], queries: number[], [, h, w]: Dims3, spacing: Dims3): number[] {
  const place = (i: number) => [Math.floor(i / (h * w)), Math.floor(i / w) % h, i % w];
  return queries.map((query) => {
    const q = place(query);
    return Math.min(...seeds.map((seed) => {
      const squares = place(seed).map((at, axis) => ((at - q[axis]) * spacing[axis]) ** 2);
      return Math.sqrt(squares[0] + squares[1] + squares[2]);
    }));
  });
}

Deno.test("nearestDistances() equals a search through all pairs for any density, shape and spacing", () => {
  for (let trial = 0; trial < 60; trial++) {
    const random = hashRandom(5, trial);
    const shape: Dims3 = [random.int(1, 9), random.int(1, 9), random.int(1, 9)];
    const spacing: Dims3 = trial % 3 === 0
      ? [1, 1, 1]
      : [0.3 + random.uniform(), 1.5, 4 * random.uniform() + 0.1];
    const choose = (share: number) =>
      Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => i).filter(() =>
        random.uniform() < share
      );
    const seeds = choose([0.005, 0.05, 0.6][trial % 3]), queries = choose(0.4);
    const found = nearestDistances(Int32Array.from(seeds), Int32Array.from(queries), shape, spacing);
    naiveDistances(seeds, queries, shape, spacing).forEach((wanted, i) => {
      if (wanted === Infinity) assert.equal(found[i], Infinity);
      else assert.ok(Math.abs(found[i] - wanted) <= 1e-12 * Math.max(1, wanted), `${found[i]} ${wanted}`);
    });
  }
});

Deno.test("nearestDistances() along an axis is the exact product of steps and spacing, so that a tolerance can be met", () => {
  const seeds = Int32Array.of(0), shape: Dims3 = [1, 1, 12];
  const queries = Int32Array.from({ length: 12 }, (_, i) => i);
  const found = nearestDistances(seeds, queries, shape, [1, 1, 0.3]);
  found.forEach((distance, i) => assert.equal(distance, i * 0.3));
});

/** A mask on a grid of 16^3 that is 1 in a box. */
function cube(start: Dims3, edge: number) {
  const data = new Uint8Array(16 ** 3);
  for (let z = 0; z < edge; z++) {
    for (let y = 0; y < edge; y++) {
      for (let x = 0; x < edge; x++) {
        data[((start[0] + z) * 16 + start[1] + y) * 16 + start[2] + x] = 1;
      }
    }
  }
  return padMask(data, [16, 16, 16], Uint8Array.of(0, 1), { start: [0, 0, 0], end: [16, 16, 16] });
}

Deno.test("a cube shifted by a voxel has NSD 1 where a voxel is within the tolerance, less at 2 mm", () => {
  const at = (spacing: Dims3) => surfaceDistances(cube([2, 3, 3], 10), cube([3, 3, 3], 10), spacing);
  assert.equal(surfaceDice(at([1, 1, 1]), 1), 1);
  assert.equal(surfaceDice(at([0.5, 1, 1]), 1), 1);
  const coarse = surfaceDice(at([2, 1, 1]), 1);
  assert.ok(coarse > 0.5 && coarse < 1, `${coarse}`);
  assert.equal(hausdorff(at([2, 1, 1]), 100), 2);
  const same = surfaceDistances(cube([2, 3, 3], 10), cube([2, 3, 3], 10), [1, 2, 3]);
  assert.deepEqual([surfaceDice(same, 0), hausdorff(same, 95), averageSymmetricDistance(same)], [1, 0, 0]);
});

Deno.test("cubes far apart have NSD 0; an empty mask gives NSD 0 and infinite distances", () => {
  const far = surfaceDistances(cube([0, 0, 0], 3), cube([12, 12, 12], 3), [1, 1, 1]);
  assert.equal(surfaceDice(far, 1), 0);
  assert.ok(hausdorff(far, 95) > 15);
  const empty = surfaceDistances(cube([0, 0, 0], 0), cube([2, 2, 2], 3), [1, 1, 1]);
  assert.deepEqual([surfaceDice(empty, 1), hausdorff(empty, 95), averageSymmetricDistance(empty)], [
    0,
    Infinity,
    Infinity,
  ]);
});

Deno.test("surfaces do not depend on the box that they are cut out of", () => {
  const random = hashRandom(9);
  const shape: Dims3 = [9, 8, 7];
  const blob = () => Uint8Array.from({ length: 504 }, () => random.uniform() < 0.15 ? random.int(1, 3) : 0);
  const first = blob(), second = blob();
  const member = Uint8Array.of(0, 1, 0, 1);
  const small = unionBox([labelBoxes(first, shape, 4), labelBoxes(second, shape, 4)], member)!;
  const measure = (box: typeof small) => {
    const distances = surfaceDistances(
      padMask(first, shape, member, box),
      padMask(second, shape, member, box, new Uint8Array(5000).fill(1)),
      [1, 2, 0.7],
    );
    return [surfaceDice(distances, 1), hausdorff(distances, 95), averageSymmetricDistance(distances)];
  };
  assert.deepEqual(measure(small), measure({ start: [0, 0, 0], end: shape }));
});

Deno.test("labelBoxes() finds first and last index of every label, unionBox() joins those that belong to a class", () => {
  const map = new Uint8Array(4 * 5 * 6);
  map[(1 * 5 + 2) * 6 + 3] = 2;
  map[(3 * 5 + 0) * 6 + 5] = 2;
  map[(0 * 5 + 4) * 6 + 0] = 3;
  const boxes = labelBoxes(map, [4, 5, 6], 5);
  assert.deepEqual([...boxes.subarray(12, 18)], [1, 3, 0, 2, 3, 5]);
  assert.deepEqual(unionBox([boxes], Uint8Array.of(0, 0, 1, 1, 0)), { start: [0, 0, 0], end: [4, 5, 6] });
  assert.equal(unionBox([boxes], Uint8Array.of(0, 1, 0, 0, 1)), null);
});
