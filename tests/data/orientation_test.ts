import assert from "node:assert/strict";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import { axisCodes, reorient } from "../../data/orientation.ts";
import { hashRandom } from "../../data/random.ts";
import { affineDeterminant, applyAffine, makeVolume, type Vec3, type Volume } from "../../data/volume.ts";
import { sharedDataTest } from "../support/shared_data.ts";
import { assertAllClose } from "../support/tolerance.ts";

const CODES = ["RAS", "LPI", "AIL", "PSR", "LIA", "SRA", "IPL", "ASR"];

/** A small oblique volume with a different value in every voxel. */
function testVolume(seed: number): Volume {
  const random = hashRandom(seed);
  const order = random.permutation(3);
  const affine = new Array<number>(16).fill(0);
  order.forEach((world, index) => {
    const step = 1 + index;
    for (let row = 0; row < 3; row++) {
      affine[4 * row + index] = (row === world ? random.int(0, 1) * 2 - 1 : 0.2 * random.normal() / 3) * step;
    }
  });
  [affine[3], affine[7], affine[11], affine[15]] = [
    random.normal() * 50,
    random.normal() * 50,
    random.normal() * 50,
    1,
  ];
  return makeVolume(Float32Array.from({ length: 60 }, (_, i) => i), [3, 4, 5], affine);
}

Deno.test("reorient() keeps every voxel at its place in the world and turns the axes to the code", () => {
  for (let seed = 0; seed < 24; seed++) {
    const volume = testVolume(seed);
    for (const code of CODES) {
      const turned = reorient(volume, code);
      assert.equal(axisCodes(turned.affine), code);
      const place = new Map<number, Vec3>();
      forEachVoxel(volume, (value, position) => place.set(value, position));
      let seen = 0;
      forEachVoxel(turned, (value, position) => {
        assertAllClose(position, place.get(value)!, { atol: 1e-9, rtol: 0 }, `voxel ${value}`);
        seen++;
      });
      assert.equal(seen, 60);
      const back = reorient(turned, axisCodes(volume.affine));
      assert.deepEqual([...back.data], [...volume.data]);
      assertAllClose(back.affine, volume.affine, { atol: 1e-9, rtol: 0 });
      assert.equal(
        Math.abs(affineDeterminant(turned.affine)).toFixed(6),
        Math.abs(affineDeterminant(volume.affine)).toFixed(6),
      );
    }
  }
});

function forEachVoxel(volume: Volume, visit: (value: number, world: Vec3) => void): void {
  const [d, h, w] = volume.shape;
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        visit(volume.data[(z * h + y) * w + x], applyAffine(volume.affine, [x, y, z]));
      }
    }
  }
}

Deno.test("reorient() gives the volume itself when nothing changes and refuses codes that miss an axis", () => {
  const volume = testVolume(3);
  assert.equal(reorient(volume, axisCodes(volume.affine)), volume);
  for (const code of ["RAR", "RA", "XYZ", "", "RASS"]) {
    assert.throws(() => reorient(volume, code), /Cannot reorient: found axis code/);
  }
});

sharedDataTest(
  "the same brain in four axis orders agrees voxel by voxel after reorientation",
  async (folder) => {
    const volumes: Volume[] = [];
    for (const code of ["RAS", "LPI", "AIL", "PSR"]) {
      const volume = await readNifti(`${folder}/orientation/${code}.nii.gz`);
      assert.equal(axisCodes(volume.affine), code);
      volumes.push(reorient(volume, "RAS"));
    }
    const [reference, ...others] = volumes;
    assert.ok(reference.data.some((value) => value > 0));
    for (const other of others) {
      assert.deepEqual(other.shape, reference.shape);
      assertAllClose(other.data, reference.data, { atol: 0, rtol: 0 });
      assertAllClose(other.affine, reference.affine, { atol: 1e-4, rtol: 0 }, "affine");
    }
  },
);

sharedDataTest(
  "a sheared CT reads with its scaling and shear; a vector image is refused by shape",
  async (folder) => {
    const ct = await readNifti(`${folder}/odd/ct-sheared-sform-scl.nii.gz`);
    assert.deepEqual(ct.shape, [54, 422, 306]);
    // Values and affine as nibabel 5.0 reads them.
    let low = Infinity, high = -Infinity;
    for (const value of ct.data) [low, high] = [Math.min(low, value), Math.max(high, value)];
    assertAllClose([low, high], [-1024, 789.0000591278076], { atol: 0, rtol: 1e-7 });
    const affine = [
      0.48242188,
      0,
      0,
      -94.37935638,
      0,
      0.45749205,
      0,
      -117.10601807,
      0,
      0.15307474,
      2.37080932,
      -102.20355225,
    ];
    assertAllClose(ct.affine.slice(0, 12), affine, { atol: 1e-6, rtol: 1e-6 }, "affine");
    assertAllClose(ct.spacing, [2.37080932, 0.48242186, 0.48242188], { atol: 1e-6, rtol: 0 }, "spacing");
    const path = `${folder}/odd/vector-4d.nii.gz`;
    await assert.rejects(readNifti(path), (error) => {
      const text = (error as Error).message;
      const found = "shape 84x92x56x3, vector-valued (intent 2003, RGB vector)";
      assert.ok(text.startsWith(`Cannot read ${path}: found ${found}, wanted a 3-D image`), text);
      return true;
    });
  },
);
