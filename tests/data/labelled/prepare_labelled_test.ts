import assert from "node:assert/strict";
import { lockFolder } from "../../../data/folder_lock.ts";
import { readLabelledIndex } from "../../../data/labelled/labelled_index.ts";
import { labelledStorePath, prepareLabelled } from "../../../data/labelled/prepare_labelled.ts";
import { preprocessCase } from "../../../data/labelled/preprocess_case.ts";
import { openLabelledStore } from "../../../data/labelled/store.ts";
import type { LabelledDataset } from "../../../data/nnunet/dataset.ts";
import type { Plans } from "../../../data/nnunet/plans.ts";
import type { Dims3 } from "../../../data/volume.ts";
import { folderDigest } from "../../support/folder_digest.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { grid, noise, type SmallCase, smallPlans, writeSmallDataset } from "../../support/small_labelled.ts";
import { assertAllClose } from "../../support/tolerance.ts";

const CONFIGURATION = "3d_fullres";
const EXACT = { atol: 0, rtol: 0 };
const TWO = smallPlans({ schemes: ["ZScoreNormalization", "CTNormalization"], spacing: [1, 1, 1.25] });
const PLANS: Plans = {
  ...TWO,
  foreground_intensity_properties_per_channel: {
    ...TWO.foreground_intensity_properties_per_channel,
    "1": TWO.foreground_intensity_properties_per_channel["0"],
  },
};

function smallCase(index: number, label: SmallCase["label"] = (_, y) => y % 3): SmallCase {
  const shape: Dims3 = [8 + index, 9, 10];
  return { id: `case_${index}`, shape, images: [noise(shape, index), noise(shape, 10 + index)], label };
}

const small = (folder: string, cases = 3) =>
  writeSmallDataset(folder, Array.from({ length: cases }, (_, i) => smallCase(i)));

Deno.test("prepareLabelled() stores what preprocessCase() makes, the same bytes with 0 and 2 workers", () =>
  withFolder(async (folder) => {
    const dataset = await small(`${folder}/Dataset001_Small`);
    const out = labelledStorePath(`${folder}/prepared`, PLANS.configurations[CONFIGURATION]);
    assert.equal(out, `${folder}/prepared/small_3d_fullres`);
    const seen: string[] = [];
    const options = { dataset, plans: PLANS, configuration: CONFIGURATION };
    const { prepared, reused, index } = await prepareLabelled({
      ...options,
      out,
      workers: 2,
      onProgress: ({ done, total, id, status, ms }) =>
        seen.push(`${done}/${total} ${status} ${ms > 0} ${id}`),
    });
    assert.deepEqual([prepared, reused, index.cases.map(({ id }) => id)], [3, 0, [
      "case_0",
      "case_1",
      "case_2",
    ]]);
    assert.ok(/^1\/3 prepared true case_\d,2\/3 .*,3\/3 /.test(seen.join()), seen.join());
    await prepareLabelled({ ...options, out: `${folder}/inline`, workers: 0 });
    assert.deepEqual(await folderDigest(`${folder}/inline`), await folderDigest(out));

    using store = openLabelledStore(out);
    assert.deepEqual(store.index, index);
    for (const { id, images, label } of dataset.cases) {
      const configuration = PLANS.configurations[CONFIGURATION];
      const wanted = await preprocessCase({ images, label, plans: PLANS, configuration });
      const { shape, spacing, voxels, drawn } = store.case(id);
      assert.deepEqual([shape, spacing], [wanted.shape, [1, 1, 1.25]]);
      const box = store.readBox(id, [0, 0, 0], shape);
      assertAllClose(box.image, wanted.image, EXACT, id);
      assertAllClose(box.label, wanted.label!, EXACT, id);
      assert.deepEqual(store.geometry(id), wanted.geometry);
      const count = (value: number) => wanted.label!.filter((one) => one === value).length;
      assert.deepEqual(voxels, [count(1), count(2)]);
      assert.deepEqual(store.classLocations(id).map(({ length }) => length / 3), drawn);
      const beyond = store.readBox(id, [-1, 0, 0], [1, 1, 1]);
      assert.deepEqual([...beyond.image, ...beyond.label], [0, 0, -1]);
    }
    assert.throws(
      () => store.readBox("nobody", [0, 0, 0], [1, 1, 1]),
      /found no case "nobody", wanted one of its 3 cases/,
    );
  }));

Deno.test("prepareLabelled() reuses what fits, makes what changed again, and everything for another plan", () =>
  withFolder(async (folder) => {
    let dataset = await small(`${folder}/d`);
    const out = `${folder}/store`;
    const prepare = async (plans = PLANS) => {
      const { prepared, reused } = await prepareLabelled({
        dataset,
        plans,
        configuration: CONFIGURATION,
        out,
        workers: 0,
      });
      assert.equal(readLabelledIndex(out).cases.length, dataset.cases.length);
      return [prepared, reused];
    };
    assert.deepEqual(await prepare(), [3, 0]);
    await Deno.utime(`${out}/labelled.json`, 1, 1);
    assert.deepEqual(await prepare(), [0, 3]);
    assert.equal(
      (await Deno.stat(`${out}/labelled.json`)).mtime?.getTime(),
      1000,
      "a complete store is left alone",
    );
    await Deno.truncate(`${out}/cases/case_1/channel_1.zarr/c/0/0/0`, 3);
    assert.deepEqual(await prepare(), [1, 2]);
    await Deno.utime(dataset.cases[2].label, 1, 1);
    assert.deepEqual(await prepare(), [1, 2]);
    await Deno.remove(`${out}/labelled.json`);
    assert.deepEqual(await prepare(), [0, 3]);
    // statistics of a channel that is z-scored are not used
    const intensities = PLANS.foreground_intensity_properties_per_channel;
    const other = { ...intensities["0"], mean: 1 };
    const z = { ...PLANS, foreground_intensity_properties_per_channel: { ...intensities, "0": other } };
    assert.deepEqual(await prepare(z), [0, 3]);
    const ct = { ...PLANS, foreground_intensity_properties_per_channel: { ...intensities, "1": other } };
    assert.deepEqual(await prepare(ct), [3, 0]);
    assert.deepEqual(await prepare({ ...ct, orientation: "LPS" }), [3, 0]);

    const only = smallCase(5);
    await Deno.remove(`${folder}/d`, { recursive: true });
    dataset = await writeSmallDataset(`${folder}/d`, [only]);
    assert.deepEqual(await prepare(), [1, 0]);
    assert.deepEqual([...Deno.readDirSync(`${out}/cases`)].map(({ name }) => name), ["case_5"]);
  }));

Deno.test("prepareLabelled() twice at once: one prepares, the other waits and takes what is there", () =>
  withFolder(async (folder) => {
    const dataset = await small(`${folder}/Dataset001_Small`);
    const options = {
      dataset,
      plans: PLANS,
      configuration: CONFIGURATION,
      out: `${folder}/store`,
      workers: 0,
    };
    let waits = 0;
    const onWait = () => waits++;
    const both = await Promise.all([1, 2].map(() => prepareLabelled({ ...options, onWait })));
    assert.equal(waits, 1);
    assert.deepEqual(both.map(({ prepared }) => prepared).sort(), [0, 3]);
    assert.deepEqual(both[0].index, both[1].index);
    using _lock = await lockFolder(`${folder}/store`);
    const { reused } = await prepareLabelled(options);
    assert.equal(reused, 3, "a finished store waits for nobody");
    await Deno.remove(`${folder}/store/${both[0].index.cases[0].label.path}`, { recursive: true });
    const stop = new AbortController();
    const waiting = prepareLabelled({
      ...options,
      signal: stop.signal,
      onWait: () => stop.abort(new Error("enough")),
    });
    await assert.rejects(waiting, /enough/);
  }));

Deno.test("prepareLabelled() takes labels of 16 bits, regions and an ignore label", () =>
  withFolder(async (folder) => {
    const shape: Dims3 = [6, 7, 300];
    const wide: SmallCase = {
      id: "wide",
      shape,
      images: [(_z, _y, x) => x + 1],
      label: (_z, y, x) => (y === 0 ? 200 : x % 200),
    };
    const names = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [i === 0 ? "background" : `l${i}`, i]),
    );
    const dataset = await writeSmallDataset(`${folder}/d`, [wide], { ...names, ignore: 200 });
    const plans = smallPlans();
    const options = { dataset, plans, configuration: CONFIGURATION, workers: 0 };
    await prepareLabelled({ ...options, out: `${folder}/s` });
    using store = openLabelledStore(`${folder}/s`);
    const { voxels, drawn } = store.case("wide");
    assert.deepEqual([voxels.length, drawn.length, voxels[198], drawn[199]], [199, 200, 36, 10000]); // label 199 once a row
    assertAllClose(store.readBox("wide", [0, 0, 0], shape).label, grid(shape, wide.label), EXACT);

    const regions = { background: 0, all: [1, 2], core: 2 };
    const data = await writeSmallDataset(`${folder}/r`, [smallCase(0)], regions, {
      regions_class_order: [1, 2],
    });
    await prepareLabelled({ ...options, dataset: data, plans: PLANS, out: `${folder}/r-store` });
    using second = openLabelledStore(`${folder}/r-store`);
    const [all, core] = second.case("case_0").voxels;
    assert.ok(all > core && core > 0);
    assert.deepEqual(second.index.classes, [{ name: "all", values: [1, 2] }, { name: "core", values: [2] }]);
  }));

Deno.test("prepareLabelled() refuses bad input with one line and leaves no index, so that nothing trains on a half", () =>
  withFolder(async (folder) => {
    const options = { plans: PLANS, configuration: CONFIGURATION, out: `${folder}/s` };
    const refused = async (dataset: LabelledDataset, message: RegExp, workers: number) => {
      await assert.rejects(prepareLabelled({ ...options, dataset, workers }), (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
      await assert.rejects(Deno.stat(`${folder}/s/labelled.json`), Deno.errors.NotFound);
    };
    const strange = await writeSmallDataset(`${folder}/d`, [
      smallCase(0),
      smallCase(1, (z) => (z === 4 ? 3 : 1)),
    ]);
    for (const workers of [0, 1]) {
      await refused(
        strange,
        /Cannot read .*labelsTr\/case_1\.nii\.gz: found label 3 in \d+ voxels, wanted the labels 0, 1, 2 of dataset\.json/,
        workers,
      );
    }
    const gone = await small(`${folder}/e`);
    await Deno.remove(gone.cases[1].images[1]);
    await refused(gone, /Cannot read .*case_1_0001\.nii\.gz: found no such file/, 0);
    await assert.rejects(
      prepareLabelled({ ...options, dataset: strange, configuration: "2d" }),
      /found configurations 3d_fullres, wanted 2d: name one of them/,
    );
    const controller = new AbortController();
    const good = await small(`${folder}/g`);
    const stopped = prepareLabelled({
      ...options,
      dataset: good,
      workers: 0,
      onProgress: () => controller.abort(new Error("enough")),
      signal: controller.signal,
    });
    await assert.rejects(stopped, /^Error: enough$/);
    await assert.rejects(Deno.stat(`${folder}/s/labelled.json`), Deno.errors.NotFound);
    const { prepared, reused } = await prepareLabelled({ ...options, dataset: good, workers: 0 });
    assert.deepEqual([prepared, reused], [2, 1]);
  }));
