import assert from "node:assert/strict";
import { readImage } from "../../../data/formats/read_image.ts";
import { readImageHeader } from "../../../data/formats/read_image_header.ts";
import { restoreToFile } from "../../../data/labelled/case_geometry.ts";
import { preprocessCase } from "../../../data/labelled/preprocess_case.ts";
import { resampleImage } from "../../../data/resample.ts";
import { readSafetensors } from "../../../data/safetensors_file.ts";
import type { FinetunedModel } from "../../../train/finetune/checkpoint.ts";
import { PredictionError } from "../../../train/predict/errors.ts";
import { labelDecision, requireEnsemble } from "../../../train/predict/ensemble.ts";
import { predictCases } from "../../../train/predict/predict_cases.ts";
import { predictVolume } from "../../../train/predict/predict_volume.ts";
import type { PredictionProgress } from "../../../train/predict/types.ts";
import { WindowNetwork } from "../../../train/predict/window_network.ts";
import { folderDigest } from "../../support/folder_digest.ts";
import { gpuTest, testGpu } from "../../support/gpu.ts";
import { blobDataset, labelsOf, regionDataset } from "../finetune/tiny_finetune.ts";
import { tinyModel, writeScans } from "./tiny_model.ts";

/** What `<id>.nii.gz` should hold, put together from the parts in memory. */
async function wantedLabels(one: FinetunedModel, images: readonly string[]): Promise<Uint8Array> {
  const { image, geometry } = await preprocessCase({
    images,
    plans: one.plans,
    configuration: one.configuration,
  });
  using network = await WindowNetwork.create(await testGpu(), {
    network: one.network,
    patch: one.config.patch,
    folds: [one.weights],
  });
  const labels = { ...labelDecision(one.labels, false), samples: "none" as const };
  const plain = await predictVolume(network, { image, shape: geometry.shape, labels, mirrorAxes: [0, 2] });
  const { shapeAfterCropping: shape, spacing, spacingBeforeResampling } = geometry;
  const logits = resampleImage(plain.samples!, geometry.shape, shape, spacing, spacingBeforeResampling, {
    order: 1,
  });
  const voxels = shape[0] * shape[1] * shape[2];
  const cropped = new Uint8Array(voxels).map((_, v) => {
    const values = [0, 1, 2].map((c) => logits[c * voxels + v]);
    return values.indexOf(Math.max(...values));
  });
  return restoreToFile(cropped, geometry);
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

gpuTest(
  "predictCases() writes labels on the grid of the file: resampled, un-cropped, transposed and turned back",
  () =>
    inFolder(async (folder) => {
      const one = tinyModel(1);
      const [scan] = await writeScans(folder, [[14, 17, 15]]);
      const summary = await predictCases({ models: [one], cases: [scan], out: `${folder}/out` });
      assert.deepEqual(summary.cases.map(({ id, shape }) => [id, shape]), [["scan0", [14, 17, 15]]]);
      const path = `${folder}/out/scan0.nii.gz`;
      const found = await readImage(path), header = await readImageHeader(path);
      const original = await readImage(scan.images[0]);
      assert.deepEqual([found.affine, found.nifti], [original.affine, original.nifti]);
      assert.match(JSON.stringify(header), /uint8/);
      const wanted = await wantedLabels(one, scan.images);
      const differing = wanted.reduce((sum, label, i) => sum + (label === found.data[i] ? 0 : 1), 0);
      assert.ok(differing <= 2, `${differing} voxels differ; logits within rounding of each other may`);
      assert.ok(new Set(found.data).size === 3);
    }),
);

gpuTest(
  "predictCases() gives the same bytes however many scans are in work and however memory is cut",
  () =>
    inFolder(async (folder) => {
      const scans = await writeScans(folder, [[12, 11, 13], [9, 20, 10], [16, 9, 9], [7, 8, 18]]);
      const models = [tinyModel(2), tinyModel(3)];
      const common = { models, cases: scans, saveProbabilities: true };
      const seen: PredictionProgress[] = [];
      await predictCases({ ...common, out: `${folder}/a`, jobs: 1, windowBatch: 1 });
      await predictCases({
        ...common,
        out: `${folder}/b`,
        jobs: 4,
        memoryBytes: 60_000,
        gpuMemoryBytes: 400_000,
        onProgress: (progress) => seen.push(progress),
      });
      assert.deepEqual(await folderDigest(`${folder}/a`), await folderDigest(`${folder}/b`));
      assert.deepEqual(seen.filter(({ kind }) => kind === "written").map(({ finished }) => finished), [
        1,
        2,
        3,
        4,
      ]);
      const { tensors } = await readSafetensors(`${folder}/a/scan0.safetensors`);
      const { dtype, shape } = tensors.get("probabilities")!;
      assert.deepEqual([dtype, shape[0]], ["F16", 3]);
    }),
);

gpuTest(
  "predictCases() goes on when a scan cannot be used, and lets regions be post-processed",
  () =>
    inFolder(async (folder) => {
      const scans = await writeScans(folder, [[12, 11, 13], [9, 10, 10], [10, 9, 9]]);
      await Deno.writeTextFile(scans[1].images[0], "no image");
      await Deno.mkdir(`${folder}/out`);
      await Deno.copyFile(scans[0].images[0], `${folder}/out/scan1.nii.gz`);
      const changed: string[] = [];
      const summary = await predictCases({
        models: [tinyModel(4, { labels: labelsOf(regionDataset) }, 2)],
        cases: scans,
        out: `${folder}/out`,
        mirror: false,
        postprocess: ({ id, labels, shape }) => {
          assert.equal(labels.length, shape[0] * shape[1] * shape[2]);
          changed.push(id);
          labels.fill(1);
        },
      });
      assert.deepEqual(summary.cases.map(({ id }) => id), ["scan0", "scan2"]);
      assert.deepEqual(summary.failed.map(({ id }) => id), ["scan1"]);
      assert.match(
        summary.failed[0].message,
        /^Cannot read .*scan1\.nii\.gz: found .*; .*out\/scan1\.nii\.gz is of an earlier call$/,
      );
      assert.deepEqual(changed, ["scan0", "scan2"]);
      assert.ok((await readImage(`${folder}/out/scan2.nii.gz`)).data.every((label) => label === 1));
      assert.deepEqual([...Deno.readDirSync(`${folder}/out`)].map(({ name }) => name).sort(), [
        "prediction.json",
        "scan0.nii.gz",
        "scan1.nii.gz",
        "scan2.nii.gz",
      ]);
    }),
);

Deno.test("requireEnsemble() refuses a network that takes other channels than its data set has", () => {
  const dataset = { ...blobDataset, channel_names: { 0: "T1", 1: "T2" } };
  assert.throws(
    () => requireEnsemble([tinyModel(5), tinyModel(5, { dataset })]),
    /^PredictionError: Cannot predict with model 5: found a network of 1 input channels, wanted the 2 of its data/,
  );
});

gpuTest(
  "predictCases() refuses models that do not belong together, no scans, and names that come twice",
  () =>
    inFolder(async (folder) => {
      const [scan] = await writeScans(folder, [[12, 11, 13]]);
      const other = tinyModel(5, { configuration: { ...tinyModel(5).configuration, spacing: [1, 1, 1] } });
      const out = `${folder}/out`;
      const refused: [Parameters<typeof predictCases>[0], RegExp][] = [
        [{ models: [], cases: [scan], out }, /found no model/],
        [{ models: [tinyModel(5), other], cases: [scan], out }, /their spacings differ/],
        [{ models: [tinyModel(5)], cases: [], out }, /found no scans/],
        [{ models: [tinyModel(5)], cases: [scan, scan], out }, /two scans named scan0/],
        [
          { models: [tinyModel(5)], cases: [scan], out: folder },
          /scan0\.nii\.gz: found a scan to be segmented/,
        ],
      ];
      for (const [options, message] of refused) {
        await assert.rejects(
          predictCases(options),
          (error) => error instanceof PredictionError && message.test(error.message),
        );
      }
      const signal = AbortSignal.abort(new Error("enough"));
      await assert.rejects(predictCases({ models: [tinyModel(5)], cases: [scan], out, signal }), /enough/);
    }),
);
