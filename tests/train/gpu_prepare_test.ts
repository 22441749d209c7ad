import assert from "node:assert/strict";
import { prepareDataset } from "../../data/prepare/mod.ts";
import { openStore } from "../../data/store.ts";
import { gpuTest } from "../support/gpu.ts";
import { floatVoxels, niftiBytes, withFolder } from "../support/nifti_bytes.ts";
import { blobVoxels } from "../support/small_dataset.ts";
import { assertAllClose } from "../support/tolerance.ts";

const workerUrl = new URL("../../train/gpu_prepare_worker.ts", import.meta.url);

gpuTest(
  "prepareDataset() with the GPU worker gives the processor's volumes up to rounding, and reuses either's",
  () =>
    withFolder(async (folder) => {
      await Deno.mkdir(`${folder}/raw`);
      for (const [i, slice] of [1.4, 5].entries()) {
        const size = [14, 13, 12] as const, pixdim = [1, 0.8, 1.1, slice, 0, 0, 0, 0];
        await Deno.writeFile(
          `${folder}/raw/${i}.nii`,
          niftiBytes({ size, pixdim }, floatVoxels(blobVoxels(size, i))),
        );
      }
      const options = { source: `${folder}/raw`, dtype: "float32", workers: 1 } as const;
      await prepareDataset({ ...options, out: `${folder}/cpu` });
      const computed = await prepareDataset({ ...options, out: `${folder}/gpu`, workerUrl });
      assert.equal(computed.prepared, 2);
      using cpu = openStore(`${folder}/cpu`);
      using gpu = openStore(`${folder}/gpu`);
      for (const [i, volume] of cpu.volumes.entries()) {
        const wanted = cpu.readVolume(volume), scale = Math.max(...wanted.map(Math.abs));
        assert.deepEqual(gpu.volumes[i].shape, volume.shape);
        assertAllClose(gpu.readVolume(gpu.volumes[i]), wanted, { atol: 5e-6 * scale, rtol: 0 });
      }
      const again = await prepareDataset({ ...options, out: `${folder}/gpu` });
      assert.deepEqual([again.prepared, again.reused], [0, 2]);
    }),
);
