import assert from "node:assert/strict";
import { discover } from "../../data/discovery/mod.ts";
import { readNifti, readNiftiHeader } from "../../data/formats/nifti/read_nifti.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { intensityStatistics } from "../../data/normalize.ts";
import { prepareDataset } from "../../data/prepare/prepare_dataset.ts";
import { pretrainEntries } from "../../data/pretrain_data.ts";
import { openStore } from "../../data/store.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { sharedDataTest } from "../support/shared_data.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };

sharedDataTest(
  "every real volume survives read, write, read: voxels, affine, codes, units, quaternion",
  async (shared) => {
    const entries = pretrainEntries(await discover(`${shared}/bids`));
    assert.equal(entries.length, 8);
    const paths = [
      ...entries.map(({ image }) => image.image_path),
      `${shared}/odd/ct-sheared-sform-scl.nii.gz`,
    ];
    await withFolder(async (folder) => {
      for (const [i, path] of paths.entries()) {
        const copy = `${folder}/copy.nii${i % 2 ? ".gz" : ""}`;
        const volume = await readNifti(path);
        await writeNifti(copy, volume);
        const again = await readNifti(copy),
          before = await readNiftiHeader(path),
          after = await readNiftiHeader(copy);
        assertAllClose(again.data, volume.data, EXACT, path);
        assert.deepEqual(again.shape, volume.shape);
        for (const field of ["affine", "pixdim", "quaternion", "sform"] as const) {
          assertAllClose(after[field], before[field], EXACT, `${field} of ${path}`);
        }
        const codes = (
          { qformCode, sformCode, xyztUnits, version }: typeof before,
        ) => [qformCode, sformCode, xyztUnits, version];
        assert.deepEqual(codes(after), codes(before));
      }
    });
  },
);

sharedDataTest(
  "preparing the eight real volumes takes far less than a minute and gives z-scored 1 mm volumes",
  async (shared) => {
    await withFolder(async (folder) => {
      const started = performance.now();
      const { index, prepared } = await prepareDataset({ source: `${shared}/bids`, out: folder });
      const seconds = (performance.now() - started) / 1000;
      console.log(`prepared ${prepared} volumes in ${seconds.toFixed(1)} s`);
      assert.ok(seconds < 60);
      assert.equal(prepared, 8);
      assert.deepEqual(index.rejected, []);
      assert.deepEqual([index.split.train.length, index.split.val.length], [6, 2]);
      assert.deepEqual([...new Set(index.volumes.map(({ modality }) => modality))].sort(), [
        "FLAIR",
        "T1w",
        "dwi",
      ]);
      using store = openStore(folder);
      for (const volume of store.volumes) {
        assert.deepEqual(volume.spacing, [1, 1, 1]);
        const { mean, std } = intensityStatistics(store.readVolume(volume));
        assert.ok(
          Math.abs(mean) < 0.01 && Math.abs(std - 1) < 0.02,
          `${volume.id}: mean ${mean}, std ${std}`,
        );
        const [d, h, w] = volume.shape;
        assert.ok(d > 50 && d < 200 && h > 50 && h < 260 && w > 50 && w < 200, `${volume.shape}`);
      }
      const again = await prepareDataset({ source: `${shared}/bids`, out: folder });
      assert.equal(again.reused, 8);
    });
  },
);
