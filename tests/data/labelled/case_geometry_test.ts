import assert from "node:assert/strict";
import { writeNifti } from "../../../data/formats/nifti/write_nifti.ts";
import { caseAffine, restoreToFile } from "../../../data/labelled/case_geometry.ts";
import { preprocessCase } from "../../../data/labelled/preprocess_case.ts";
import { applyAffine, type Dims3, makeVolume } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { grid, noise, smallPlans } from "../../support/small_labelled.ts";
import { assertAllClose } from "../../support/tolerance.ts";

/** Index x runs to the left, y down, z to the front, 2, 1 and 1.5 mm. */
const TURNED = [-2, 0, 0, 7, 0, 0, 1.5, -3, 0, -1, 0, 11, 0, 0, 0, 1];
const SHAPE: Dims3 = [9, 7, 8];

Deno.test("restoreToFile() undoes crop, transposition and orientation, voxel by voxel", () =>
  withFolder(async (folder) => {
    const image = noise(SHAPE, 3);
    const volume = makeVolume(grid(SHAPE, image), SHAPE, TURNED);
    const label = makeVolume(
      grid(SHAPE, (z, y, x) => image(z, y, x) === 0 ? 0 : 1 + (x + 3 * y + 5 * z) % 9),
      SHAPE,
      TURNED,
    );
    await writeNifti(`${folder}/i.nii`, volume);
    await writeNifti(`${folder}/l.nii`, label, { dtype: "uint8" });
    for (const orientation of [null, "RAS", "PIL"]) {
      for (const transpose of [[0, 1, 2], [2, 0, 1], [1, 2, 0]] as const) {
        const plans = smallPlans({ spacing: null, transpose, orientation });
        const { label: map, geometry } = await preprocessCase({
          images: [`${folder}/i.nii`],
          label: `${folder}/l.nii`,
          plans,
          configuration: plans.configurations["3d_fullres"],
        });
        const what = `${orientation}, ${transpose}`;
        assert.deepEqual([...geometry.shape].sort(), [5, 6, 7], what);
        const restored = restoreToFile(Uint8Array.from(map!, (value) => Math.max(value, 0)), geometry);
        assertAllClose(restored, label.data, { atol: 0, rtol: 0 }, what);
        assert.ok(restored instanceof Uint8Array);
      }
    }
    const plans = smallPlans();
    const { geometry } = await preprocessCase({
      images: [`${folder}/i.nii`],
      plans,
      configuration: plans.configurations["3d_fullres"],
    });
    assert.throws(() => restoreToFile(new Uint8Array(3), geometry), /found 3 voxels, wanted 7x5x6/);
  }));

Deno.test("caseAffine() places the preprocessed grid in the world: a ramp along x mm keeps its values", () =>
  withFolder(async (folder) => {
    const shape: Dims3 = [10, 12, 14];
    const world = (z: number, y: number, x: number) => applyAffine(TURNED, [x, y, z]);
    for (const axis of [0, 1, 2]) {
      await writeNifti(
        `${folder}/${axis}.nii`,
        makeVolume(grid(shape, (...at) => 500 + world(...at)[axis]), shape, TURNED),
      );
      const plans = smallPlans({
        spacing: [1.1, 0.9, 1.3],
        transpose: [2, 0, 1],
        orientation: "RAS",
        schemes: ["NoNormalization"],
      });
      const { image, geometry, shape: size } = await preprocessCase({
        images: [`${folder}/${axis}.nii`],
        plans,
        configuration: plans.configurations["3d_fullres"],
      });
      const affine = caseAffine(geometry);
      const middle: Dims3 = [size[0] >> 1, (size[1] >> 1) + 1, size[2] >> 1]; // far from the edges, a cubic spline keeps a line
      const value = image[(middle[0] * size[1] + middle[1]) * size[2] + middle[2]];
      const [z, y, x] = middle;
      assert.ok(
        Math.abs(value - 500 - applyAffine(affine, [x, y, z])[axis]) < 2e-2,
        `axis ${axis}: ${value}`,
      );
    }
  }));
