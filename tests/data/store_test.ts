import assert from "node:assert/strict";
import { storeIndex } from "../../bench/loader/store_index.ts";
import { discover } from "../../data/discovery/mod.ts";
import { prepareDataset, type PrepareProgress } from "../../data/prepare/mod.ts";
import { writePretrainData } from "../../data/pretrain_data.ts";
import { DatasetStore, openStore } from "../../data/store.ts";
import { applyAffine } from "../../data/volume.ts";
import { writeZarrArray } from "../../data/zarr/mod.ts";
import { floatVoxels, niftiBytes, withFolder } from "../support/nifti_bytes.ts";
import { blobVoxels, writeSmallDataset } from "../support/small_dataset.ts";
import { assertAllClose } from "../support/tolerance.ts";

const EXACT = { atol: 0, rtol: 0 };

Deno.test("prepareDataset() prepares usable images, lists the others, and does nothing twice", () =>
  withFolder(async (folder) => {
    const source = `${folder}/bids`, out = `${folder}/store`;
    await writeSmallDataset(source, 5);
    await Deno.writeFile(`${source}/sub-02/anat/sub-02_T1w.nii`, new Uint8Array(0));
    const nan = floatVoxels(new Float32Array(24).fill(NaN));
    await Deno.writeFile(`${source}/sub-04/anat/sub-04_T1w.nii`, niftiBytes({}, nan));
    const progress: PrepareProgress[] = [];
    const first = await prepareDataset({ source, out, onProgress: (event) => progress.push(event) });
    assert.equal(first.prepared, 3);
    assert.deepEqual(first.index.volumes.map(({ subject }) => subject.slice(-6)), [
      "sub-01",
      "sub-03",
      "sub-05",
    ]);
    assert.deepEqual(first.index.rejected.map(({ id }) => id.slice(-14)), [
      "sub-02_T1w.nii",
      "sub-04_T1w.nii",
    ]);
    assert.match(first.index.rejected[0].reason, /found an empty file/);
    assert.match(first.index.rejected[1].reason, /24 NaN or infinite values/);
    assert.deepEqual(progress.map(({ done }) => done), [1, 2, 3, 4, 5]);
    assert.deepEqual(progress.map(({ status }) => status).sort(), [
      "prepared",
      "prepared",
      "prepared",
      "rejected",
      "rejected",
    ]);
    for (
      const name of [
        "pretrain_data",
        "pretrain_data__onemmiso",
        "dataset_fingerprint",
        "nnsslPlans",
        "splits_final",
        "store",
      ]
    ) {
      JSON.parse(await Deno.readTextFile(`${out}/${name}.json`));
    }
    const prepared = await Deno.readTextFile(`${out}/pretrain_data__onemmiso.json`);
    assert.equal(prepared.match(/"image_path": ".*\.zarr"/g)?.length, 3);

    const array = `${out}/${first.index.volumes[0].path}/c/0/0/0`;
    const before = (await Deno.stat(array)).mtime!.getTime();
    const second = await prepareDataset({ source, out });
    assert.deepEqual([second.prepared, second.reused], [0, 3]);
    assert.equal((await Deno.stat(array)).mtime!.getTime(), before);
    assert.deepEqual(second.index, first.index);

    await Deno.remove(`${out}/${first.index.volumes[1].path}`, { recursive: true });
    const size = [13, 12, 11] as const;
    await Deno.writeFile(
      `${source}/sub-02/anat/sub-02_T1w.nii`,
      niftiBytes({ size }, floatVoxels(blobVoxels(size, 9))),
    );
    const third = await prepareDataset({ source, out });
    assert.deepEqual([third.prepared, third.reused, third.index.rejected.length], [2, 2, 1]);
    assert.deepEqual(third.index.split.val, first.index.split.val);
    assert.ok(third.index.split.train.some((id) => id.endsWith("sub-02")));
    const other = await prepareDataset({ source, out, dtype: "float32", configuration: "noresample" });
    assert.deepEqual([other.prepared, other.reused], [4, 0]);
    const names = (await Array.fromAsync(Deno.readDir(out))).map(({ name }) => name);
    assert.ok(names.every((name) => !name.endsWith(".tmp")), names.join());
  }));

Deno.test("a prepared volume holds the z-scored crop at its place in the world", () =>
  withFolder(async (folder) => {
    const size = [9, 8, 7] as const;
    // Stored with x to the left and y and z exchanged: reorientation is part of the way.
    const sform = [-1, 0, 0, 10, 0, 0, 1, 20, 0, 1, 0, 30];
    const voxels = blobVoxels(size, 3);
    await Deno.mkdir(`${folder}/raw`);
    await Deno.writeFile(
      `${folder}/raw/a.nii`,
      niftiBytes({ size, sformCode: 1, sform }, floatVoxels(voxels)),
    );
    const out = `${folder}/store`;
    const { warnings, index } = await prepareDataset({ source: `${folder}/raw`, out, dtype: "float32" });
    assert.match(warnings[0], /Only one usable subject/);
    assert.deepEqual(index.split.train, index.split.val);
    using store = openStore(out);
    const [volume] = store.volumes;
    assert.deepEqual(volume.shape, [6, 5, 7]);
    const data = store.readVolume(volume),
      { affine, statistics } = store.array(volume).attributes as {
        affine: number[];
        statistics: { mean: number; std: number };
      };
    let compared = 0;
    for (let k = 0; k < 7; k++) {
      for (let j = 0; j < 8; j++) {
        for (let i = 0; i < 9; i++) {
          const world = [10 - i, 20 + k, 30 + j]; // from the sform by hand
          const index3 = [0, 1, 2].map((axis) => Math.round(world[axis] - affine[4 * axis + 3]));
          const inside = index3.every((at, axis) => at >= 0 && at < volume.shape[2 - axis]);
          const value = voxels[(k * 8 + j) * 9 + i];
          if (!inside) {
            assert.equal(value, 0);
            continue;
          }
          assertAllClose(applyAffine(affine, index3 as [number, number, number]), world, {
            atol: 1e-9,
            rtol: 0,
          });
          const at = (index3[2] * 5 + index3[1]) * 7 + index3[0];
          assertAllClose([data[at]], [(value - statistics.mean) / statistics.std], {
            atol: 1e-5,
            rtol: 1e-5,
          });
          compared++;
        }
      }
    }
    assert.equal(compared, 210);
    const half = store.readBox(volume, [-1, 0, 0], [2, 5, 7]);
    assertAllClose(half.subarray(0, 35), new Float32Array(35), EXACT);
    assertAllClose(half.subarray(35), data.subarray(0, 35), EXACT);
  }));

Deno.test("prepareDataset() accepts pretrain_data.json, and stops between images when aborted", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 3);
    const json = `${folder}/pretrain_data.json`;
    await writePretrainData(json, await discover(`${folder}/bids`));
    const stop = new AbortController();
    const out = `${folder}/store`;
    const aborted = prepareDataset({
      source: json,
      out,
      signal: stop.signal,
      workers: 1,
      onProgress: () => stop.abort(new Error("stopped")),
    });
    await assert.rejects(aborted, /stopped/);
    const rest = await prepareDataset({ source: json, out });
    assert.deepEqual([rest.prepared, rest.reused], [2, 1]);
  }));

Deno.test("prepareDataset() and openStore() say why nothing can be used or written", () =>
  withFolder(async (folder) => {
    const out = `${folder}/store`;
    await Deno.mkdir(`${folder}/bad`);
    await Deno.writeTextFile(`${folder}/bad/a.nii`, "no image");
    const nothing = prepareDataset({ source: `${folder}/bad`, out });
    await assert.rejects(
      nothing,
      /found no usable image among 1 \(first: Cannot read .*a\.nii: .*\), wanted at least one/,
    );
    assert.throws(() => openStore(out), /found no usable volume \(1 rejected\)/);
    await assert.rejects(prepareDataset({ source: `${folder}/none`, out }), /no such file or folder/);
    await writeSmallDataset(`${folder}/bids`, 1);
    await Deno.writeTextFile(`${folder}/file`, "");
    await assert.rejects(
      prepareDataset({ source: `${folder}/bids`, out: `${folder}/file` }),
      /Cannot write .*file: found a file where/,
    );
    await assert.rejects(
      prepareDataset({ source: `${folder}/bids`, out: "/proc/spark3d" }),
      /Cannot write \/proc\/spark3d: found/,
    );
    assert.throws(() => openStore(`${folder}/bids`), /Cannot read .*store\.json: found no such file/);
    await Deno.writeTextFile(`${out}/store.json`, '{"format": "other"}');
    assert.throws(() => openStore(out), /found format: .*wanted the index of a store/);
  }));

Deno.test("DatasetStore keeps a bounded number of files open and opens closed ones again", () =>
  withFolder(async (folder) => {
    const volumes = [];
    for (let i = 0; i < 70; i++) {
      const stored = await writeZarrArray(`${folder}/${i}.zarr`, new Float32Array([i]), [1, 1, 1], {
        dtype: "float32",
      });
      volumes.push({
        id: `${i}`,
        subject: "s",
        modality: "T1w",
        path: `${i}.zarr`,
        shape: [1, 1, 1] as const,
        spacing: [1, 1, 1] as const,
        ...stored,
      });
    }
    using store = new DatasetStore(folder, storeIndex(volumes));
    const count = () => [...Deno.readDirSync("/proc/self/fd")].length;
    const before = count();
    for (let round = 0; round < 2; round++) {
      volumes.forEach((volume, i) => assert.equal(store.readVolume(volume)[0], i));
    }
    assert.ok(count() - before <= 64, `${count() - before} files open`);
    store.close();
    assert.equal(store.readVolume(volumes[3])[0], 3);
    assert.deepEqual([store.subset("train").length, store.subset("val").length], [70, 0]);
  }));
