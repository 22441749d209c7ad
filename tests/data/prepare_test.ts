import assert from "node:assert/strict";
import { discover } from "../../data/discovery/mod.ts";
import { mergeParts, parsePart, prepareDataset, type PrepareOptions } from "../../data/prepare/mod.ts";
import { partRange } from "../../data/prepare/part.ts";
import {
  type PretrainData,
  pretrainEntries,
  readPretrainData,
  writePretrainData,
} from "../../data/pretrain_data.ts";
import { readStoreIndex } from "../../data/store_index.ts";
import { verifyStore } from "../../data/verify_store.ts";
import { ZarrArray } from "../../data/zarr/mod.ts";
import { folderDigest } from "../support/folder_digest.ts";
import { floatVoxels, niftiBytes, withFolder } from "../support/nifti_bytes.ts";
import { blobVoxels, writeSmallDataset } from "../support/small_dataset.ts";

/** Prepares into `FOLDER/store`, which is moved away: the path of a store is part of its bytes. */
async function prepareAs(folder: string, name: string, options: Partial<PrepareOptions>): Promise<void> {
  await prepareDataset({ source: `${folder}/bids`, out: `${folder}/store`, ...options });
  await Deno.rename(`${folder}/store`, `${folder}/${name}`);
}

const jsonLines = async (path: string) =>
  (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));

/** Two good images, one damaged file, one without content, one of two volumes, one copy. */
async function writeMixedDataset(folder: string): Promise<void> {
  await writeSmallDataset(folder, 6);
  const at = (s: number) => `${folder}/sub-0${s}/anat/sub-0${s}_T1w.nii`;
  await Deno.writeFile(at(2), new Uint8Array(100));
  const zeros = floatVoxels(new Float32Array(24));
  await Deno.writeFile(at(3), niftiBytes({}, zeros));
  const size = [8, 7, 6] as const;
  const both = new Float32Array([...blobVoxels(size, 20), ...blobVoxels(size, 21)]);
  await Deno.writeFile(at(4), niftiBytes({ dim: [4, ...size, 2, 1, 1, 1] }, floatVoxels(both)));
  await Deno.copyFile(at(1), at(5));
}

Deno.test("prepareDataset() writes the same bytes with 0, 1 and 3 workers, and with memory for one image at a time", () =>
  withFolder(async (folder) => {
    await writeMixedDataset(`${folder}/bids`);
    const filters = { dropDuplicates: true, fourD: "split" } as const;
    await prepareAs(folder, "inline", { workers: 0, filters });
    const wanted = await folderDigest(`${folder}/inline`);
    assert.equal(Object.keys(wanted).filter((path) => path.endsWith("zarr.json")).length, 4);
    for (
      const [name, options] of [["one", { workers: 1 }], ["three", { workers: 3 }], ["tight", {
        workers: 3,
        memoryBytes: 60_000,
      }]] as const
    ) {
      await prepareAs(folder, name, { ...options, filters });
      assert.deepEqual(await folderDigest(`${folder}/${name}`), wanted, name);
    }
  }));

Deno.test("report.jsonl says of every file what became of it, with the name of the check or filter", () =>
  withFolder(async (folder) => {
    await writeMixedDataset(`${folder}/bids`);
    const filters = { dropDuplicates: true };
    const { rejectedByRule, index } = await prepareDataset({
      source: `${folder}/bids`,
      out: `${folder}/store`,
      filters,
      workers: 0,
    });
    const lines = await jsonLines(`${folder}/store/report.jsonl`);
    assert.deepEqual(lines.map(({ id, status, rule }) => [id.slice(-14, -8), status, rule]), [
      ["sub-01", "prepared", undefined],
      ["sub-02", "rejected", "unreadable"],
      ["sub-03", "rejected", "unusable"],
      ["sub-04", "rejected", "four-dimensional"],
      ["sub-05", "rejected", "duplicate"],
      ["sub-06", "prepared", undefined],
    ]);
    assert.deepEqual(rejectedByRule, { unreadable: 1, unusable: 1, "four-dimensional": 1, duplicate: 1 });
    assert.deepEqual(index.rejected.map(({ reason }) => reason), lines.flatMap(({ reason }) => reason ?? []));
    assert.match(lines[2].reason, /found zero in every voxel/);
    assert.match(lines[3].reason, /found shape 8x7x6x2, wanted a 3-D image/);
    assert.match(lines[4].reason, /^the same bytes as .*sub-01_T1w\.nii$/);
    const { shape, spacing, sourceShape, sourceSpacing } = lines[0];
    assert.deepEqual({ shape, spacing, sourceShape, sourceSpacing }, {
      shape: [11, 10, 9],
      spacing: [1, 1, 1],
      sourceShape: [13, 12, 11],
      sourceSpacing: [1, 1, 1],
    });
    assert.equal(lines[3].sourceShape.length, 3);
  }));

Deno.test("4-D files are refused, or give their first volume, or one image a volume with an id of its own", () =>
  withFolder(async (folder) => {
    const size = [8, 7, 6] as const, raw = `${folder}/raw`;
    const volumes = [30, 31, 32].map((seed) => blobVoxels(size, seed));
    const four = new Float32Array(volumes.flatMap((voxels) => [...voxels]));
    await Deno.mkdir(raw);
    await Deno.writeFile(`${raw}/a.nii`, niftiBytes({ dim: [4, ...size, 3, 1, 1, 1] }, floatVoxels(four)));
    await Deno.writeFile(`${raw}/b.nii`, niftiBytes({ size }, floatVoxels(volumes[1])));
    const prepare = (fourD: "refuse" | "first" | "split") =>
      prepareDataset({
        source: raw,
        out: `${folder}/${fourD}`,
        dtype: "float32",
        filters: { fourD },
        workers: 0,
      });
    const ids = ({ index }: Awaited<ReturnType<typeof prepare>>) =>
      index.volumes.map(({ id }) => id.split("__").at(-1));
    assert.deepEqual(ids(await prepare("refuse")), ["b.nii"]);
    const first = await prepare("first"), split = await prepare("split");
    assert.deepEqual(ids(first), ["a.nii", "b.nii"]);
    assert.match(first.warnings[0], /a\.nii: the first of 3 volumes/);
    assert.deepEqual(ids(split), ["a_vol-0000.nii", "a_vol-0001.nii", "a_vol-0002.nii", "b.nii"]);
    assert.deepEqual(split.index.volumes.map(({ subject }) => subject.split("__").at(-1)), [
      "a",
      "a",
      "a",
      "b",
    ]);
    const sums = split.index.volumes.map(({ sha256 }) => sha256);
    assert.equal(sums[1], sums[3], "the second volume and the file that holds only that");
    assert.equal(new Set(sums).size, 3);
    assert.equal(first.index.volumes[0].sha256, sums[0]);
    const prepared = await readPretrainData(`${folder}/split/pretrain_data__onemmiso.json`);
    assert.deepEqual(pretrainEntries(prepared).map(({ image }) => image.image_path.slice(-14)), [
      "_vol-0000.zarr",
      "_vol-0001.zarr",
      "_vol-0002.zarr",
      "DEFAULT/b.zarr",
    ]);
    const again = await prepare("split");
    assert.deepEqual([again.prepared, again.reused], [0, 4]);
  }));

Deno.test("masks are stored under their own names, in the index and in the prepared collection, and are made again when they change", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 2);
    const json = `${folder}/in.json`, out = `${folder}/store`;
    const data: PretrainData = await discover(`${folder}/bids`);
    const size = [11, 12, 13] as const; // sub-01
    const label = (value: number) =>
      niftiBytes(
        { size, sformCode: 1, sform: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] },
        floatVoxels(new Float32Array(11 * 12 * 13).map((_, i) => i % 11 > 5 ? value : 0)),
      );
    await Deno.writeFile(`${folder}/face.nii`, label(1));
    await Deno.writeFile(`${folder}/brain.nii`, label(3));
    pretrainEntries(data)[0].image.associated_masks = {
      anonymization_mask: `${folder}/face.nii`,
      anatomy_mask: `${folder}/brain.nii`,
    };
    await writePretrainData(json, data);
    const { index } = await prepareDataset({ source: json, out, workers: 2 });
    const { masks, path, shape } = index.volumes[0];
    assert.deepEqual([masks?.anonymization?.path, masks?.anatomy?.path], [
      path.replace(".zarr", "__anon.zarr"),
      path.replace(".zarr", "__anat.zarr"),
    ]);
    assert.equal(index.volumes[1].masks, undefined);
    for (const [mask, value] of [[masks!.anonymization!, 1], [masks!.anatomy!, 3]] as const) {
      using array = ZarrArray.open(`${out}/${mask.path}`);
      assert.deepEqual(array.shape, shape);
      const labels = array.readBox([0, 0, 0], shape);
      assert.deepEqual(new Set(labels), new Set([0, value]), mask.path);
      assert.equal(labels[shape[2] - 1], value);
    }
    assert.deepEqual(readStoreIndex(out).volumes, index.volumes);
    assert.deepEqual(await verifyStore(out), []);
    const [entry] = pretrainEntries(await readPretrainData(`${out}/pretrain_data__onemmiso.json`));
    assert.match(entry.image.associated_masks!.anonymization_mask!, /__anon\.zarr$/);
    assert.match(entry.image.associated_masks!.anatomy_mask!, /__anat\.zarr$/);
    await Deno.remove(`${out}/${masks!.anatomy!.path}`, { recursive: true });
    const second = await prepareDataset({ source: json, out, workers: 0 });
    assert.deepEqual([second.prepared, second.reused], [1, 1]);
    assert.deepEqual(second.index.volumes, index.volumes);
    await Deno.writeFile(`${folder}/brain.nii`, new Uint8Array(0));
    const third = await prepareDataset({ source: json, out, workers: 0 });
    assert.match(third.index.rejected[0].reason, /Cannot read .*brain\.nii: found an empty file/);
  }));

Deno.test("an image larger than the memory budget is left out with the reason, the others go on", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 3);
    const size = [40, 40, 40] as const;
    await Deno.writeFile(
      `${folder}/bids/sub-02/anat/sub-02_T1w.nii`,
      niftiBytes({ size }, floatVoxels(blobVoxels(size, 1))),
    );
    const { index, rejectedByRule } = await prepareDataset({
      source: `${folder}/bids`,
      out: `${folder}/store`,
      memoryBytes: 1 << 20,
      workers: 2,
    });
    assert.deepEqual([index.volumes.length, rejectedByRule], [2, { memory: 1 }]);
    assert.match(
      index.rejected[0].reason,
      /^Cannot prepare .*sub-02_T1w\.nii: found an image that takes about 2 MiB of memory, wanted at most 1 MiB/,
    );
  }));

Deno.test("prepareDataset() goes on after an abort and takes leftovers of killed runs away", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/bids`, 6);
    await prepareAs(folder, "whole", {});
    const stop = new AbortController();
    let finished = 0;
    const options = { source: `${folder}/bids`, out: `${folder}/store`, workers: 2 };
    const aborted = prepareDataset({
      ...options,
      signal: stop.signal,
      onProgress: () => ++finished === 2 && stop.abort(new Error("enough")),
    });
    await assert.rejects(aborted, /enough/);
    assert.ok(finished < 6, "images in work are finished, no others begun");
    // what a killed process of this machine leaves: a number that no process has
    const dead = `${Deno.hostname().replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 40)}-4194305-0a1b2c3d.tmp`;
    await Deno.mkdir(`${folder}/store/bids/bids/sub-05/ses-DEFAULT/sub-05_T1w.zarr.${dead}/c`, {
      recursive: true,
    });
    await Deno.writeTextFile(`${folder}/store/store.json.${dead}`, "{");
    const rest = await prepareDataset(options);
    assert.deepEqual([rest.prepared + rest.reused, rest.reused], [6, finished]);
    assert.deepEqual(await folderDigest(`${folder}/store`), await folderDigest(`${folder}/whole`));
  }));

Deno.test("partRange() follows nnssl, parsePart() counts from 0", () => {
  assert.deepEqual([0, 1, 2].map((index) => partRange(11, { index, count: 3 })), [[0, 3], [3, 6], [6, 11]]);
  assert.deepEqual([0, 1, 2].map((index) => partRange(2, { index, count: 3 })), [[0, 0], [0, 0], [0, 2]]);
  assert.deepEqual(parsePart("7/8"), { index: 7, count: 8 });
  for (const text of ["8/8", "1", "a/b", "-1/4", "0/0", "1/4/2"]) {
    assert.throws(() => parsePart(text), /wanted i\/n with i from 0 to n-1/, text);
  }
});

Deno.test("parts in any order, merged, are the bytes of a run in one piece; merge says what is missing or different", () =>
  withFolder(async (folder) => {
    await writeMixedDataset(`${folder}/bids`);
    const source = `${folder}/bids`, out = `${folder}/store`;
    const filters = { fourD: "split", dropDuplicates: true } as const;
    await prepareAs(folder, "whole", { filters });
    const part = (index: number, more: Partial<PrepareOptions> = {}) =>
      prepareDataset({ source, out, filters, workers: 0, part: { index, count: 3 }, ...more });
    await assert.rejects(mergeParts(out), /found no finished part/);
    const last = await part(2);
    assert.deepEqual([last.index.volumes.length, last.index.rejected.length], [3, 0]);
    await part(0);
    await assert.rejects(
      mergeParts(out),
      /Cannot merge .*: found no result of part 1\/3, wanted all 3 parts/,
    );
    await part(1, { filters: { ...filters, maxSpacingMm: 2 }, dtype: "float32" });
    await assert.rejects(mergeParts(out), /found parts 0000 and 0001 with other settings/);
    const second = await part(1);
    assert.deepEqual([second.prepared, second.index.rejected.length], [0, 1]);
    const { index } = await mergeParts(out);
    assert.deepEqual(await folderDigest(out), await folderDigest(`${folder}/whole`));
    assert.deepEqual(index, readStoreIndex(out));
    await part(0);
    await prepareDataset({ source, out, filters, part: { index: 1, count: 2 } });
    await assert.rejects(mergeParts(out), /found parts of 2 and of 3|found parts of 3 and of 2/);
    const [file] = [...Deno.readDirSync(`${out}/parts`)].filter(({ name }) => name.endsWith("of-0003.json"));
    await Deno.remove(`${out}/parts/${file.name}`);
    await part(0, { part: { index: 0, count: 2 } });
    await Deno.writeTextFile(`${out}/parts/part-0001-of-0002.json`, "{");
    await assert.rejects(mergeParts(out), /part-0001-of-0002\.json: found damaged JSON/);
    await Deno.writeTextFile(`${out}/parts/part-0001-of-0002.json`, "{}");
    await assert.rejects(mergeParts(out), /part-0001-of-0002\.json: found format: /);
    await prepareDataset({ source, out, filters });
    assert.deepEqual(
      await folderDigest(out),
      await folderDigest(`${folder}/whole`),
      "a run in one piece ends the parts",
    );
  }));
