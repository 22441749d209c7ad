import assert from "node:assert/strict";
import { DataError } from "../../data/errors.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { reorient } from "../../data/orientation.ts";
import { preprocessFile } from "../../data/preprocess.ts";
import { preprocessArray } from "../../data/preprocess_array.ts";
import { hashRandom } from "../../data/random.ts";
import { resampleLabels } from "../../data/resample_labels.ts";
import { type Affine, type Dims3, makeVolume, type Volume, voxelCount } from "../../data/volume.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };
const SHAPE: Dims3 = [7, 8, 9];
/** x runs to the left, z and y are exchanged, so that reorienting to RAS flips and permutes. */
const AFFINE: Affine = [-1.5, 0, 0, 20, 0, 0, 1, -4, 0, 2, 0, 3, 0, 0, 0, 1];

/** A volume with content off the border, and two masks: low y and one octant. */
function imageAndMasks(): Record<"image" | "anonymization" | "anatomy", Volume> {
  const random = hashRandom(5), voxels = voxelCount(SHAPE);
  const [image, anonymization, anatomy] = [0, 1, 2].map(() => new Float32Array(voxels));
  let i = 0;
  for (let z = 0; z < 7; z++) {
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 9; x++, i++) {
        const inside = z > 0 && y > 1 && x < 8 && (z + y + x) % 11 !== 3;
        if (inside) image[i] = 5 + random.normal();
        if (y < 4) anonymization[i] = 1;
        if (z > 3 && x > 4 && y > 3) anatomy[i] = 3;
      }
    }
  }
  const volume = (data: Float32Array) => makeVolume(data, SHAPE, AFFINE);
  return { image: volume(image), anonymization: volume(anonymization), anatomy: volume(anatomy) };
}

async function writeAll(folder: string, volumes: Record<string, Volume>): Promise<void> {
  for (const [name, volume] of Object.entries(volumes)) {
    await writeNifti(`${folder}/${name}.nii.gz`, volume, { dtype: "float32" });
  }
}

Deno.test("preprocessFile() brings each mask under its own name onto the grid of the preprocessed image", () =>
  withFolder(async (folder) => {
    const volumes = imageAndMasks();
    await writeAll(folder, volumes);
    const [anonymization, anatomy] = ["anonymization", "anatomy"].map((name) => `${folder}/${name}.nii.gz`);
    const settings = { targetSpacing: [1, 1.3, 0.9], transpose: [1, 2, 0] } as const;
    const result = await preprocessFile(`${folder}/image.nii.gz`, {
      ...settings,
      masks: { anonymization, anatomy },
    });
    const turned = reorient(volumes.image, "RAS");
    for (const name of ["anonymization", "anatomy"] as const) {
      const labels = Int32Array.from(reorient(volumes[name], "RAS").data);
      const alone = await preprocessArray(turned.data, turned.shape, {
        spacing: turned.spacing,
        ...settings,
        masks: { anatomy: labels },
      });
      assertAllClose(result.masks![name]!, alone!.masks!.anatomy!, EXACT, name);
      assert.equal(result.masks![name]!.length, voxelCount(result.shape));
      assert.ok(result.masks![name]!.includes(name === "anatomy" ? 3 : 1));
    }
    const one = await preprocessFile(`${folder}/image.nii.gz`, { ...settings, masks: { anatomy } });
    assert.deepEqual(Object.keys(one.masks!), ["anatomy"]);
    const none = await preprocessFile(`${folder}/image.nii.gz`, settings);
    assert.equal(none.masks, undefined);
    assertAllClose(none.data, result.data, EXACT, "the image");
  }));

Deno.test("preprocessArray() crops a mask with its image, marks 0 outside the content with -1, then resamples by label", async () => {
  const shape: Dims3 = [4, 6, 6], voxels = voxelCount(shape);
  const image = new Float32Array(voxels), mask = new Int32Array(voxels);
  const at = (z: number, y: number, x: number) => (z * 6 + y) * 6 + x;
  for (let z = 1; z < 4; z++) {
    for (let y = 1; y < 5; y++) for (let x = 1; x < 5; x++) image[at(z, y, x)] = 1 + z + y * x;
  }
  image[at(2, 2, 2)] = 0; // a hole counts as content
  image[at(1, 1, 1)] = image[at(3, 4, 4)] = 0; // corners do not
  mask[at(3, 4, 4)] = 2; // a label outside the content stays
  const options = { spacing: [1, 1, 1], targetSpacing: null, masks: { anonymization: mask } } as const;
  const same = (await preprocessArray(image, shape, options))!.masks!.anonymization!;
  const wanted = new Int32Array(48);
  wanted[0] = -1;
  wanted[47] = 2;
  assertAllClose(same, wanted, EXACT);
  const finer = (await preprocessArray(image, shape, { ...options, targetSpacing: [0.5, 0.5, 0.5] }))!;
  const resampled = resampleLabels(wanted, [3, 4, 4], [6, 8, 8], [1, 1, 1], [0.5, 0.5, 0.5]);
  assertAllClose(finer.masks!.anonymization!, resampled, EXACT);
  assert.ok(resampled.includes(-1) && resampled.includes(2));
});

Deno.test("preprocessArray() hands the cropped, normalised image to the resampler that it is given", async () => {
  const image = Float32Array.from({ length: 60 }, (_, i) => 1 + (i * i) % 17);
  const calls: unknown[] = [];
  const result = await preprocessArray(image, [3, 4, 5], {
    spacing: [1, 2, 3],
    targetSpacing: [1, 1, 1],
    resampler: (data, ...rest) => {
      calls.push(rest);
      const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
      return Promise.resolve(new Float32Array(3 * 8 * 15).fill(mean));
    },
  });
  assert.deepEqual(calls, [[[3, 4, 5], [3, 8, 15], [1, 2, 3], [1, 1, 1]]]);
  assertAllClose(result!.data, new Float32Array(360), { atol: 1e-6, rtol: 0 });
});

const BAD: Record<string, [(mask: Volume) => Volume, RegExp]> = {
  "another size": [
    (mask) => makeVolume(mask.data.subarray(0, 6 * 72), [6, 8, 9], mask.affine),
    /found a mask of 6x8x9 voxels, wanted 7x8x9, as .*image\.nii\.gz: resample the mask onto the image/,
  ],
  "another position": [
    (mask) => makeVolume(mask.data, mask.shape, mask.affine.with(3, 20.5)),
    /found a mask that lies up to 0\.500 mm away from .*image\.nii\.gz, wanted the same origin and direction/,
  ],
  "another orientation": [
    (mask) => makeVolume(mask.data, mask.shape, [1.5, 0, 0, 8, ...mask.affine.slice(4)]),
    /found a mask that lies up to 12\.0 mm away/,
  ],
  "a fraction": [
    (mask) => makeVolume(mask.data.map((v, i) => (i === 70 ? 0.5 : v)), mask.shape, mask.affine),
    /found the value 0\.5 in a mask, wanted integers from -128 to 127/,
  ],
  "a large label": [
    (mask) => makeVolume(mask.data.map((v, i) => (i === 70 ? 1035 : v)), mask.shape, mask.affine),
    /found the value 1035 in a mask/,
  ],
  "no number": [
    (mask) => makeVolume(mask.data.map((v, i) => (i === 70 ? NaN : v)), mask.shape, mask.affine),
    /found the value NaN in a mask/,
  ],
};

for (const [name, [spoil, wanted]] of Object.entries(BAD)) {
  Deno.test(`preprocessFile() refuses a mask with ${name} and names the mask's file`, () =>
    withFolder(async (folder) => {
      const { image, anatomy } = imageAndMasks();
      await writeAll(folder, { image, mask: spoil(anatomy) });
      const masks = { anatomy: `${folder}/mask.nii.gz` };
      await assert.rejects(preprocessFile(`${folder}/image.nii.gz`, { masks }), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.equal(error.file, masks.anatomy);
        assert.match(error.message, wanted);
        return true;
      });
    }));
}

Deno.test("preprocessFile() takes a mask whose header is rounded, and refuses one that is missing", () =>
  withFolder(async (folder) => {
    const { image, anatomy } = imageAndMasks();
    const rounded = makeVolume(anatomy.data, anatomy.shape, anatomy.affine.with(3, 20.02));
    await writeAll(folder, { image, mask: rounded });
    const path = `${folder}/image.nii.gz`;
    assert.ok((await preprocessFile(path, { masks: { anatomy: `${folder}/mask.nii.gz` } })).masks!.anatomy);
    await assert.rejects(
      preprocessFile(path, { masks: { anatomy: `${folder}/none.nii.gz` } }),
      /Cannot read .*none\.nii\.gz: found no such file/,
    );
  }));
