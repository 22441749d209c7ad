import assert from "node:assert/strict";
import {
  drawClassLocations,
  readClassLocation,
  readClassLocations,
  writeClassLocations,
} from "../../../data/labelled/class_locations.ts";
import { type Dims3, voxelCount } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { grid } from "../../support/small_labelled.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const CLASSES = [{ name: "whole", values: [1, 2] }, { name: "core", values: [2] }, {
  name: "absent",
  values: [3],
}];

Deno.test("drawClassLocations() takes all voxels of a small class, and different ones of a large class", () => {
  const shape: Dims3 = [40, 50, 40]; // 1 in 78,000 voxels, 2 in 2,000 of them
  const labels = Int16Array.from(grid(shape, (z, y) => (z === 0 ? -1 : z === 1 ? 2 : y === 0 ? 0 : 1)));
  const { voxels, drawn } = drawClassLocations(labels, shape, CLASSES, null);
  assert.deepEqual(voxels, [2000 + 38 * 49 * 40, 2000, 0]);
  assert.deepEqual(drawn.map(({ length }) => length / 3), [10000, 2000, 0]);
  const at = (list: Int32Array, i: number) => (list[3 * i] * 50 + list[3 * i + 1]) * 40 + list[3 * i + 2];
  const whole = Array.from({ length: 10000 }, (_, i) => at(drawn[0], i));
  assert.equal(new Set(whole).size, 10000);
  assert.ok(whole.every((voxel) => labels[voxel] === 1 || labels[voxel] === 2));
  const core = whole.filter((voxel) => labels[voxel] === 2).length; // 10000 * 2000 / 76480 = 261 +- 15
  assert.ok(core > 200 && core < 330, `${core} voxels of the smaller part`);
  const low = whole.filter((voxel) => voxel < voxelCount(shape) / 2).length; // evenly along the array
  assert.ok(Math.abs(low - 10000 * 19 / 39) < 400, `${low} voxels in the first half`);
  const again = drawClassLocations(labels, shape, CLASSES, null).drawn;
  drawn.forEach((list, i) => assertAllClose(again[i], list, { atol: 0, rtol: 0 }));
});

Deno.test("drawClassLocations() draws a hundredth of a class of more than a million voxels", () => {
  const shape: Dims3 = [101, 100, 110];
  const { drawn } = drawClassLocations(
    new Int16Array(voxelCount(shape)).fill(1),
    shape,
    CLASSES.slice(0, 2),
    null,
  );
  assert.deepEqual(drawn.map(({ length }) => length / 3), [11110, 0]);
});

Deno.test("drawClassLocations() lists annotated voxels with an ignore label, and refuses undeclared labels", () => {
  const shape: Dims3 = [2, 3, 4];
  const labels = Int16Array.from(grid(shape, (z, y) => (z === 0 ? 3 : y - 1))); // 12 ignored, 4 each of -1, 0, 1
  const { voxels, drawn } = drawClassLocations(labels, shape, CLASSES.slice(0, 2), 3);
  assert.deepEqual([voxels, drawn.map(({ length }) => length / 3)], [[4, 0], [4, 0, 12]]);
  assert.ok(drawn[2].every((index, i) => i % 3 !== 0 || index === 1));
  assert.throws(
    () => drawClassLocations(labels, shape, CLASSES.slice(0, 2), null),
    /^RangeError: label 3 in 12 voxels$/,
  );
});

Deno.test("readClassLocation() reads single voxels of what writeClassLocations() wrote, and refuses damaged files", () =>
  withFolder(async (folder) => {
    const lists = [Int32Array.of(1, 2, 3, 4, 5, 6), new Int32Array(0), Int32Array.of(7, 8, 90000)];
    const path = `${folder}/l.safetensors`;
    const { bytes, sha256 } = await writeClassLocations(path, lists);
    assert.equal((await Deno.stat(path)).size, bytes);
    assert.equal(sha256.length, 64);
    readClassLocations(path).forEach((list, i) => assertAllClose(list, lists[i], { atol: 0, rtol: 0 }));
    assert.deepEqual(readClassLocation(path, 0, 1), [4, 5, 6]);
    assert.deepEqual(readClassLocation(path, 2, 0), [7, 8, 90000]);
    const damaged =
      /Cannot read .*l\.safetensors: found a damaged file, wanted the drawn voxels of every class: remove/;
    for (const [list, rank] of [[0, 2], [1, 0], [3, 0]]) {
      assert.throws(() => readClassLocation(path, list, rank), damaged);
    }
    for (const length of [0, 5, bytes - 1]) {
      await writeClassLocations(path, lists);
      await Deno.truncate(path, length);
      assert.throws(() => readClassLocation(path, 0, 0), damaged);
      assert.throws(() => readClassLocations(path), damaged);
    }
    await Deno.remove(path);
    assert.throws(() => readClassLocation(path, 0, 0), /Cannot read .*l\.safetensors: found no such file/);
  }));
