import assert from "node:assert/strict";
import { writeHalfHead } from "../../cli/study/half_heads.ts";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { diagonalAffine, type Dims3, makeVolume } from "../../data/volume.ts";
import { temporaryFolder } from "../support/spawn.ts";

Deno.test("writeHalfHead() makes both halves of a symmetric head the same", async () => {
  using folder = temporaryFolder();
  const shape: Dims3 = [3, 4, 10];
  const image = new Float32Array(120), label = new Float32Array(120);
  for (let row = 0; row < 12; row++) {
    for (let x = 2; x < 8; x++) { // middle between x = 4 and x = 5
      const fromMiddle = x < 5 ? 4 - x : x - 5;
      image[row * 10 + x] = 10 * row + fromMiddle + 1;
      label[row * 10 + x] = fromMiddle === 0 ? 1 : 2;
    }
  }
  const affine = diagonalAffine([3, 2, 1], [-4.5, 0, 0]);
  const paths = { image: `${folder.path}/image.nii`, label: `${folder.path}/label.nii` };
  await writeNifti(paths.image, makeVolume(image, shape, affine));
  await writeNifti(paths.label, makeVolume(label, shape, affine), { dtype: "uint8" });
  const halves = [];
  for (const side of ["left", "right"] as const) {
    const out = `${folder.path}/${side}`;
    await writeHalfHead({ ...paths, classes: ["inner", "outer"], side, out });
    const dataset = JSON.parse(await Deno.readTextFile(`${out}/dataset.json`));
    assert.deepEqual(dataset.labels, { background: 0, inner: 1, outer: 2 });
    halves.push([
      await readNifti(`${out}/imagesTr/${side}_0000.nii.gz`),
      await readNifti(`${out}/labelsTr/${side}.nii.gz`),
    ]);
  }
  const [[leftImage, leftLabel], [rightImage, rightLabel]] = halves;
  assert.deepEqual(leftImage.shape, [3, 4, 5]);
  assert.deepEqual(leftImage.spacing, [3, 2, 1]);
  assert.deepEqual([...rightImage.data], [...leftImage.data]);
  assert.deepEqual([...rightLabel.data], [...leftLabel.data]);
  assert.deepEqual([...leftImage.data.subarray(0, 5)], [0, 0, 3, 2, 1]);
  assert.deepEqual([...leftLabel.data.subarray(0, 5)], [0, 0, 2, 2, 1]);
});

Deno.test("writeHalfHead() refuses a label map on another grid and an empty image", async () => {
  using folder = temporaryFolder();
  const affine = diagonalAffine([1, 1, 1]);
  const image = `${folder.path}/image.nii`, label = `${folder.path}/label.nii`;
  await writeNifti(image, makeVolume(new Float32Array(8), [2, 2, 2], affine));
  await writeNifti(label, makeVolume(new Float32Array(12), [2, 2, 3], affine), { dtype: "uint8" });
  const request = { image, classes: ["a"], side: "left", out: `${folder.path}/out` } as const;
  await assert.rejects(() => writeHalfHead({ ...request, label }), /2x2x3 voxels.*the image's 2x2x2/);
  await assert.rejects(() => writeHalfHead({ ...request, label: image }), /no voxel other than 0/);
});
