import assert from "node:assert/strict";
import { writeNifti } from "../../../data/formats/nifti/write_nifti.ts";
import { preprocessCase, type PreprocessedCase } from "../../../data/labelled/preprocess_case.ts";
import type { NormalizationScheme, Plans } from "../../../data/nnunet/plans.ts";
import { intensityStatistics } from "../../../data/normalize.ts";
import { resampleLabels } from "../../../data/resample_labels.ts";
import { diagonalAffine, type Dims3, makeVolume, voxelCount } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { grid, noise, smallPlans } from "../../support/small_labelled.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const SHAPE: Dims3 = [8, 9, 10];
const EXACT = { atol: 0, rtol: 0 };

/** Two channels and labels; the second channel is zero in one half, and neither covers the rim. */
async function writeCase(folder: string): Promise<{ images: string[]; label: string }> {
  const first = noise(SHAPE, 1), second = noise(SHAPE, 2);
  const write = async (name: string, value: Parameters<typeof grid>[1]) => {
    await writeNifti(
      `${folder}/${name}.nii.gz`,
      makeVolume(grid(SHAPE, value), SHAPE, diagonalAffine([1, 1, 1])),
    );
    return `${folder}/${name}.nii.gz`;
  };
  return {
    images: [
      await write("a_0000", (z, y, x) => (y < 3 ? 0 : first(z, y, x))),
      await write("a_0001", (z, y, x) => (x < 5 || y < 3 ? 0 : second(z, y, x) / 2)),
    ],
    label: await write("a", (z, y, x) => (y === 5 ? 2 : z === 3 && x === 0 ? 1 : 0)),
  };
}

const run = (files: { images: readonly string[]; label?: string }, plans: Plans): Promise<PreprocessedCase> =>
  preprocessCase({ ...files, plans, configuration: plans.configurations["3d_fullres"] });

Deno.test("preprocessCase() normalises every channel by its own scheme, and marks labels outside the content with -1", () =>
  withFolder(async (folder) => {
    const files = await writeCase(folder);
    const of = async (schemes: NormalizationScheme[], useMask: boolean[] = [false, false]) => {
      const { image, shape } = await run(files, smallPlans({ schemes, useMask }));
      assert.deepEqual(shape, [6, 5, 8]);
      return [image.subarray(0, 240), image.subarray(240)];
    };
    const [raw, other] = await of(["NoNormalization", "NoNormalization"]);
    assert.equal(raw[0], noise(SHAPE, 1)(1, 3, 1));
    const [ct, rescaled] = await of(["CTNormalization", "RescaleTo01Normalization"]);
    assertAllClose(ct, raw.map((x) => (Math.min(Math.max(x, 60), 140) - 100) / 20), {
      atol: 1e-6,
      rtol: 1e-6,
    });
    const high = Math.max(...other);
    assertAllClose(rescaled, other.map((x) => x / high), { atol: 1e-6, rtol: 0 }); // its least value is 0
    const [rgb, z] = await of(["RGBTo01Normalization", "ZScoreNormalization"], [false, true]);
    assertAllClose(rgb, raw.map((x) => x / 255), { atol: 1e-7, rtol: 1e-6 });
    const { mean, std } = intensityStatistics(other); // the crop is filled by the first channel: all of it is inside
    assertAllClose(z, other.map((x) => (x - mean) / std), { atol: 1e-6, rtol: 1e-6 });

    const { label, geometry } = await run(
      files,
      smallPlans({ schemes: ["NoNormalization", "NoNormalization"] }),
    );
    assert.deepEqual(geometry.box, { start: [1, 3, 1], stop: [7, 8, 9] });
    assert.ok(label instanceof Int16Array && !label.includes(-1) && !label.includes(1));
    assertAllClose(label, grid([6, 5, 8], (_, y) => (y === 2 ? 2 : 0)), EXACT);
    const { label: none } = await run(
      { images: files.images },
      smallPlans({ schemes: ["CTNormalization", "NoNormalization"] }),
    );
    assert.equal(none, undefined);
  }));

Deno.test("preprocessCase() takes statistics inside the non-zero mask when the plan says so, and leaves the rest 0", () =>
  withFolder(async (folder) => {
    const inside = (z: number, y: number, x: number) => (z - 4) ** 2 + (y - 4) ** 2 + (x - 5) ** 2 < 12;
    const value = noise(SHAPE, 5);
    const image = (z: number, y: number, x: number) => (inside(z, y, x) ? value(z, y, x) : 0);
    const affine = diagonalAffine([1, 1, 1]);
    await writeNifti(`${folder}/i.nii`, makeVolume(grid(SHAPE, image), SHAPE, affine));
    await writeNifti(
      `${folder}/l.nii`,
      makeVolume(grid(SHAPE, (z, y, x) => (z + y + x === 4 ? 1 : 0)), SHAPE, affine),
    );
    const files = { images: [`${folder}/i.nii`], label: `${folder}/l.nii` };
    const plans = smallPlans({ useMask: [true] });
    const { image: scored, label, shape } = await run(files, plans);
    const voxels = [...label!.keys()];
    assert.ok(label!.includes(-1) && label!.includes(1));
    const counted = scored.filter((_, i) => label![i] >= 0);
    assertAllClose(Object.values(intensityStatistics(counted)), [0, 1], { atol: 1e-6, rtol: 0 });
    assert.ok(voxels.every((i) => label![i] >= 0 || scored[i] === 0));
    // labels are resampled by indicator, -1 among them
    const finer = await run(files, smallPlans({ useMask: [true], spacing: [0.7, 0.8, 0.9] }));
    const wanted = resampleLabels(Int32Array.from(label!), shape, finer.shape, [1, 1, 1], [0.7, 0.8, 0.9]);
    assertAllClose(finer.label!, wanted, EXACT);
    assert.equal(finer.image.length, voxelCount(finer.shape));
    assert.deepEqual(finer.geometry.spacingBeforeResampling, [1, 1, 1]);
  }));

Deno.test("preprocessCase() resamples by the plan's orders, elsewhere only what a resampler can do", () =>
  withFolder(async (folder) => {
    const { images } = await writeCase(folder);
    const plans = smallPlans({ spacing: [0.5, 1, 1] });
    const usual = plans.configurations["3d_fullres"];
    const linear = { ...usual, resampling_fn_data_kwargs: { ...usual.resampling_fn_data_kwargs, order: 1 } };
    let calls = 0;
    const resampler = (_data: Float32Array, _shape: Dims3, size: Dims3) => {
      calls++;
      return Promise.resolve(new Float32Array(voxelCount(size)).fill(7));
    };
    const given = await preprocessCase({ images: [images[0]], plans, configuration: usual, resampler });
    assert.ok(given.image.every((x) => x === 7));
    const own = await preprocessCase({ images: [images[0]], plans, configuration: linear, resampler });
    assert.equal(calls, 1);
    const [c, d, , w] = [0, ...own.shape];
    const same = await preprocessCase({
      images: [images[0]],
      plans,
      configuration: { ...usual, spacing: null },
    });
    // linear, twice as fine: output 1 lies a quarter of the way from sample 0 to 1
    const at = (z: number) => same.image[z * same.shape[1] * w];
    assert.equal(d, 2 * same.shape[0]);
    assert.ok(Math.abs(own.image[c + own.shape[1] * w] - (0.75 * at(0) + 0.25 * at(1))) < 1e-6);
  }));

const BAD: Record<
  string,
  [(folder: string) => Promise<{ images: string[]; label?: string; plans?: Plans }>, RegExp]
> = {
  "a channel too few": [
    async (folder) => ({ images: (await writeCase(folder)).images.slice(0, 1) }),
    /a_0000\.nii\.gz: found 1 channel, wanted 2, as the plans smallPlans have: give one file for every channel/,
  ],
  "a channel of another size": [
    async (folder) => {
      const { images } = await writeCase(folder);
      const small: Dims3 = [8, 9, 9];
      await writeNifti(images[1], makeVolume(grid(small, noise(small, 1)), small, diagonalAffine([1, 1, 1])));
      return { images };
    },
    /a_0001\.nii\.gz: found a channel of 8x9x9 voxels, wanted 8x9x10, as .*a_0000\.nii\.gz: resample the channels/,
  ],
  "labels in another place": [
    async (folder) => {
      const { images, label } = await writeCase(folder);
      const moved = makeVolume(grid(SHAPE, () => 1), SHAPE, diagonalAffine([1, 1, 1], [0, 2, 0]));
      await writeNifti(label, moved);
      return { images, label };
    },
    /a\.nii\.gz: found a label map that lies up to 2\.00 mm away from .*a_0000\.nii\.gz, wanted the same origin and direction/,
  ],
  "a fraction as label": [async (folder) => {
    const { images, label } = await writeCase(folder);
    await writeNifti(label, makeVolume(grid(SHAPE, () => 0.5), SHAPE, diagonalAffine([1, 1, 1])));
    return { images, label };
  }, /a\.nii\.gz: found the value 0\.5 in a label map, wanted integers from 0 to 32767: export it as labels/],
  "a value that is no number": [async (folder) => {
    const { images } = await writeCase(folder);
    const data = grid(SHAPE, (z, y, x) => (z + y + x === 0 ? NaN : 1));
    await writeNifti(images[1], makeVolume(data, SHAPE, diagonalAffine([1, 1, 1])));
    return { images };
  }, /a_0001\.nii\.gz: found 1 NaN or infinite values \(the first at voxel 0\), wanted finite/],
  "an empty case": [async (folder) => {
    const { images } = await writeCase(folder);
    const zero = makeVolume(grid(SHAPE, () => 0), SHAPE, diagonalAffine([1, 1, 1]));
    for (const path of images) await writeNifti(path, zero);
    return { images };
  }, /a_0000\.nii\.gz: found zero in every voxel of every channel, wanted an image with content/],
  "a missing file": [
    async (folder) => ({ images: [(await writeCase(folder)).images[0], `${folder}/b.nii.gz`] }),
    /Cannot read .*b\.nii\.gz: found no such file/,
  ],
  "CT without its statistics": [
    async (folder) => {
      const plans = smallPlans({ schemes: ["NoNormalization", "CTNormalization"] });
      return { images: (await writeCase(folder)).images, plans };
    },
    /Cannot use the plans smallPlans: found no foreground intensities of channel 1, wanted those of the fingerprint/,
  ],
  "colours beyond 255": [async (folder) => {
    const { images } = await writeCase(folder);
    await writeNifti(images[0], makeVolume(grid(SHAPE, () => 256), SHAPE, diagonalAffine([1, 1, 1])));
    return { images, plans: smallPlans({ schemes: ["RGBTo01Normalization", "NoNormalization"] }) };
  }, /a_0000\.nii\.gz: found the intensity 256, wanted 0 to 255, as the channel is called rgb_to_0_1/],
};

for (const [what, [make, message]] of Object.entries(BAD)) {
  Deno.test(`preprocessCase() refuses ${what} in one line`, () =>
    withFolder(async (folder) => {
      const { plans = smallPlans({ schemes: ["ZScoreNormalization", "NoNormalization"] }), ...files } =
        await make(folder);
      await assert.rejects(run(files, plans), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return error.name === "DataError";
      });
    }));
}
