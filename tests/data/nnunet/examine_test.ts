import assert from "node:assert/strict";
import { writeNifti } from "../../../data/formats/nifti/write_nifti.ts";
import { DatasetError } from "../../../data/nnunet/dataset_error.ts";
import type { LabelledDataset } from "../../../data/nnunet/dataset.ts";
import { examineDataset } from "../../../data/nnunet/examine_dataset.ts";
import { drawIntensities, mergePools, poolStatistics } from "../../../data/nnunet/intensity_pool.ts";
import { diagonalAffine, type Dims3, makeVolume } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { grid, noise, type SmallCase, writeSmallDataset } from "../../support/small_labelled.ts";

const SHAPE: Dims3 = [6, 7, 8];
const inner = (
  z: number,
  y: number,
  x: number,
): number => (z === 2 && y > 1 && y < 5 && x > 2 ? 1 + x % 2 : 0);
const small = (id: string, seed = 1): SmallCase => ({
  id,
  shape: SHAPE,
  images: [noise(SHAPE, seed)],
  label: inner,
});
const few = { intensityDraws: 3000, workers: 0 };

async function problemsOf(dataset: LabelledDataset): Promise<string[]> {
  try {
    await examineDataset(dataset, few);
    return [];
  } catch (error) {
    assert.ok(error instanceof DatasetError, String(error));
    return error.problems.map((line) => line.replaceAll(`${dataset.folder}/`, ""));
  }
}

Deno.test("poolStatistics() of drawIntensities() are numpy's of RandomState(1234).choice()", () => {
  // v = (np.sin(np.arange(1000) * 1.7) * 100 + np.arange(1000) % 13).astype("f4"); 200000 draws of v, then of 2 * v
  const v = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i * 1.7) * 100 + i % 13);
  const [first, second] = drawIntensities([v, v.map((value) => 2 * value)], 200_000).map(poolStatistics);
  const near = (found: number, wanted: number) =>
    assert.ok(Math.abs(found - wanted) < 1e-6 * 100, `${found} ${wanted}`);
  const wanted = [5.8848576, 70.8742634, -99.0128021, 5.6738324, 110.9338684, -99.8080139, 111.9986191];
  const other = [12.0079366, 141.3989844, -197.8743439, 11.0629959, 221.8677368, -199.6160278, 223.9972382];
  for (const [found, list] of [[first, wanted], [second, other]] as const) {
    const { mean, std, percentile_00_5, median, percentile_99_5, min, max } = found;
    [mean, std, percentile_00_5, median, percentile_99_5, min, max].forEach((value, i) =>
      near(value, list[i])
    );
  }
});

Deno.test("mergePools() is the pool of both, in either order", () => {
  const [a] = drawIntensities([Float32Array.of(3, 1, 1, 2)], 400);
  const [b] = drawIntensities([Float32Array.of(2, 5)], 100);
  const merged = mergePools(a, b);
  assert.deepEqual([...merged.values], [1, 2, 3, 5]);
  assert.equal(merged.counts.reduce((sum, count) => sum + count), 500);
  assert.deepEqual(mergePools(b, a), merged);
  assert.deepEqual(mergePools(a, { values: new Float32Array(), counts: new Float64Array() }), a);
  assert.throws(() => poolStatistics({ values: new Float32Array(), counts: new Float64Array() }), /no voxel/);
});

Deno.test("examineDataset() takes the fingerprint of cropped cases, the same with threads", () =>
  withFolder(async (folder) => {
    const affine = diagonalAffine([2, 0.5, 0.75]);
    const dataset = await writeSmallDataset(folder, [
      { ...small("a"), images: [() => 7, (z, y, x) => inner(z, y, x) * 10 + z], affine },
      { ...small("b"), images: [(z, _, x) => (z > 0 && x < 4 ? 5 : 0), () => 0] },
    ]);
    const seen: string[] = [];
    const { fingerprint, warnings } = await examineDataset(dataset, {
      ...few,
      onProgress: (done, total, id) => seen.push(`${done}/${total} ${id}`),
    });
    assert.deepEqual(seen, ["1/2 a", "2/2 b"]);
    assert.deepEqual(warnings, []);
    assert.deepEqual(fingerprint.spacings, [[2, 0.5, 0.75], [1, 1, 1]]);
    assert.deepEqual(fingerprint.shapes_after_crop, [SHAPE, [5, 7, 4]]);
    assert.equal(fingerprint.median_relative_size_after_cropping, (1 + 140 / 336) / 2);
    const [first, second] = Object.values(fingerprint.foreground_intensity_properties_per_channel);
    // half of the draws from each case: 7 everywhere in a, 5 everywhere in b's box
    assert.deepEqual([first.min, first.max, first.mean, first.std, first.median], [5, 7, 6, 1, 6]);
    assert.deepEqual([second.min, second.max, second.percentile_00_5], [0, 22, 0]); // 2 * 10 + z = 2
    assert.deepEqual(await examineDataset(dataset, { ...few, workers: 2 }), { fingerprint, warnings });
  }));

Deno.test("examineDataset() measures volumes in the axes to which the data set's reader brings them", () =>
  withFolder(async (folder) => {
    const affine = [0, 0, 2, 0, -0.5, 0, 0, 0, 0, 0.75, 0, 0, 0, 0, 0, 1]; // x to posterior, y up, z to the right
    const cases = [{ ...small("a"), images: [noise(SHAPE, 1)], affine }];
    const spacingsOf = async (name: string, more: Record<string, unknown>) => {
      const dataset = await writeSmallDataset(`${folder}/${name}`, cases, undefined, more);
      const { fingerprint } = await examineDataset(dataset, few);
      return [fingerprint.spacings, fingerprint.shapes_after_crop];
    };
    const [d, h, w] = SHAPE.map((size) => size - 2); // without the rim of zeros
    assert.deepEqual(await spacingsOf("kept", {}), [[[2, 0.75, 0.5]], [[d, h, w]]]);
    const turned = await spacingsOf("turned", { overwrite_image_reader_writer: "NibabelIOWithReorient" });
    assert.deepEqual(turned, [[[0.75, 0.5, 2]], [[h, w, d]]]);
  }));

Deno.test("examineDataset() gives a line for every file that does not fit its case, before reading voxels", () =>
  withFolder(async (folder) => {
    const dataset = await writeSmallDataset(folder, [
      { ...small("a"), images: [noise(SHAPE, 1), noise(SHAPE, 2)] },
      { ...small("b"), images: [noise(SHAPE, 1), noise(SHAPE, 2)] },
    ]);
    const shorter: Dims3 = [6, 7, 7];
    const write = (name: string, shape: Dims3, affine = diagonalAffine([1, 1, 1])) =>
      writeNifti(`${folder}/${name}`, makeVolume(grid(shape, inner), shape, affine));
    await write("imagesTr/a_0001.nii.gz", shorter);
    await write("labelsTr/a.nii.gz", SHAPE, diagonalAffine([1, 1, 1], [0, 3, 0]));
    await write("labelsTr/b.nii.gz", SHAPE, diagonalAffine([1, 1, 1.5]));
    await Deno.writeTextFile(`${folder}/imagesTr/b_0000.nii.gz`, "no image");
    const problems = await problemsOf(dataset);
    assert.equal(problems.length, 4, problems.join("\n"));
    assert.match(
      problems[0],
      /^Cannot read imagesTr\/a_0001\.nii\.gz: found a channel of 6x7x7 voxels, wanted 6x7x8, as imagesTr\/a_0000/,
    );
    assert.match(
      problems[1],
      /labelsTr\/a\.nii\.gz: found a label map that lies up to 3\.00 mm away from imagesTr\/a_0000\.nii\.gz, wanted the same origin/,
    );
    assert.match(problems[2], /^Cannot read imagesTr\/b_0000\.nii\.gz: /);
    assert.match(problems[3], /labelsTr\/b\.nii\.gz: found a label map with voxels of /);
  }));

Deno.test("examineDataset() gives a line for intensities and labels that cannot be used", () =>
  withFolder(async (folder) => {
    const rows: [string, Partial<SmallCase>, RegExp | null][] = [
      [
        "a",
        { label: (z, y, x) => inner(z, y, x) * 3 },
        /labelsTr\/a.*: found label values 3, 6, wanted the values 0 to 2 of/,
      ],
      ["b", { label: (_, y, x) => (y === x ? 3 : 0) }, /labelsTr\/b.*: found label value 3, wanted/],
      [
        "c",
        { images: [(z) => (z === 1 ? NaN : 1)] },
        /imagesTr\/c_0000.*: found 56 NaN or infinite values \(the first at voxel 56\)/,
      ],
      [
        "d",
        { images: [() => 0] },
        /imagesTr\/d_0000.*: found zero in every voxel, wanted an image with content/,
      ],
      ["e", {}, null],
    ];
    const dataset = await writeSmallDataset(
      folder,
      rows.map(([id, fields]) => ({ ...small(id), ...fields })),
    );
    await writeNifti(
      `${folder}/labelsTr/e.nii.gz`,
      makeVolume(grid(SHAPE, (z) => z / 2), SHAPE, diagonalAffine([1, 1, 1])),
    );
    const problems = await problemsOf(dataset);
    const wanted = [
      ...rows.flatMap(([, , message]) => message ?? []),
      /labelsTr\/e.*: found the value 0\.5, wanted/,
    ];
    assert.equal(problems.length, wanted.length, problems.join("\n"));
    wanted.forEach((message, i) => assert.match(problems[i], message));
    for (const line of problems) assert.ok(!line.includes("\n"));
  }));

Deno.test("examineDataset() warns of a case without foreground, and refuses a data set without any", () =>
  withFolder(async (folder) => {
    const labels = { background: 0, a: 1, b: 2, ignore: 3 };
    const empty = { ...small("b"), label: (z: number) => (z === 2 ? 3 : 0) };
    const dataset = await writeSmallDataset(`${folder}/one`, [small("a"), empty], labels);
    const { warnings } = await examineDataset(dataset, few);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /labelsTr\/b\.nii\.gz has no foreground \(a, b\)/);
    const problems = await problemsOf(await writeSmallDataset(`${folder}/all`, [empty], labels));
    assert.equal(problems.length, 1);
    assert.match(
      problems[0],
      /found no foreground in any label map, wanted voxels of a, b: check the label maps/,
    );
  }));

Deno.test("examineDataset() stops with the reason of its signal", () =>
  withFolder(async (folder) => {
    const dataset = await writeSmallDataset(folder, [small("a"), small("b")]);
    const controller = new AbortController();
    const stopped = examineDataset(dataset, {
      ...few,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error("enough")),
    });
    await assert.rejects(stopped, /enough/);
  }));
