import assert from "node:assert/strict";
import { DataError } from "../../data/errors.ts";
import { writeLabelMap } from "../../data/formats/nifti/write_label_map.ts";
import { readImage } from "../../data/formats/read_image.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { diagonalAffine, type Dims3, makeVolume } from "../../data/volume.ts";
import { temporaryFolder } from "../support/spawn.ts";

const shape: Dims3 = [30, 170, 160]; // several pieces of 16-bit voxels

Deno.test("writeLabelMap() keeps labels of 8 and 16 bits and the geometry of the scan, compressed or not", async () => {
  using folder = temporaryFolder();
  const voxels = shape[0] * shape[1] * shape[2];
  const affine = diagonalAffine([2.5, 0.7, 0.9], [3, -8, 11]);
  await writeNifti(`${folder.path}/scan.nii`, makeVolume(new Float32Array(voxels), shape, affine));
  const grid = await readImage(`${folder.path}/scan.nii`);
  const small = Uint8Array.from({ length: voxels }, (_, i) => i % 251);
  const large = Uint16Array.from({ length: voxels }, (_, i) => (i * 7) % 65536);
  for (const [labels, name] of [[small, "a.nii"], [small, "b.nii.gz"], [large, "c.nii.gz"]] as const) {
    const path = `${folder.path}/${name}`;
    await writeLabelMap(path, labels, grid);
    const found = await readImage(path);
    assert.deepEqual([found.shape, found.affine, found.nifti], [grid.shape, grid.affine, grid.nifti]);
    assert.equal(found.data.findIndex((value, i) => value !== labels[i]), -1);
  }
  assert.deepEqual([...Deno.readDirSync(folder.path)].length, 4, "no temporary file stays");
});

Deno.test("writeLabelMap() refuses labels of another size and folders that are not there", async () => {
  using folder = temporaryFolder();
  const grid = { shape, affine: diagonalAffine([1, 1, 1]) };
  const path = `${folder.path}/a.nii.gz`;
  await assert.rejects(writeLabelMap(path, new Uint8Array(5), grid), /does not hold 5 voxels/);
  const whole = new Uint8Array(shape[0] * shape[1] * shape[2]);
  await assert.rejects(writeLabelMap(`${folder.path}/none/a.nii`, whole, grid), DataError);
});
