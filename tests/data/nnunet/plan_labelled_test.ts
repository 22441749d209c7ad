import assert from "node:assert/strict";
import { planLabelled, type PlanLabelledOptions } from "../../../data/nnunet/plan_labelled.ts";
import { readPlans, writePlans } from "../../../data/nnunet/plans.ts";
import { readSplits, writeSplits } from "../../../data/nnunet/splits.ts";
import type { Dims3 } from "../../../data/volume.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { noise, type SmallCase, writeSmallDataset } from "../../support/small_labelled.ts";

const SHAPE: Dims3 = [12, 12, 12];
const small = (id: string, seed: number): SmallCase => ({
  id,
  shape: SHAPE,
  images: [noise(SHAPE, seed)],
  label: (z, y) => (z > 3 && z < 8 ? 1 + y % 2 : 0),
});
const cases = (n: number): SmallCase[] => Array.from({ length: n }, (_, i) => small(`c${i}`, i));

async function planned(folder: string, more: Partial<PlanLabelledOptions> = {}) {
  return await planLabelled({
    dataset: `${folder}/d`,
    prepared: `${folder}/p`,
    intensityDraws: 1000,
    workers: 0,
    ...more,
  });
}

const names = async (folder: string): Promise<string[]> =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();

Deno.test("planLabelled() writes what it made and takes it again while the files are the same", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/d`, cases(6));
    const first = await planned(folder);
    assert.deepEqual(await names(`${folder}/p`), [
      "checked_files.json",
      "dataset.json",
      "dataset_fingerprint.json",
      "nnUNetPlans.json",
      "splits_final.json",
    ]);
    assert.deepEqual([first.examined, first.warnings, first.splits.length], [true, [], 5]);
    assert.deepEqual(await readPlans(first.plansFile), first.plans);
    const second = await planned(folder);
    assert.equal(second.examined, false);
    assert.deepEqual({ ...second, examined: true }, first);
    const large = await planned(folder, { planner: "resenc-xl", gpuMemoryGb: 80 });
    assert.deepEqual([large.examined, large.plans.plans_name], [false, "nnUNetResEncUNetXLPlans_80GB"]);
  }));

Deno.test("planLabelled() looks again when a file or dataset.json has changed, unless told not to", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/d`, cases(5));
    const first = await planned(folder);
    const bad = { ...small("c2", 9), label: () => 7 };
    await writeSmallDataset(`${folder}/d`, [...cases(2), bad, small("c3", 3), small("c4", 4)]);
    assert.deepEqual((await planned(folder, { check: false })).fingerprint, first.fingerprint);
    for (let i = 0; i < 2; i++) { // a data set that failed is not taken for a good one the next time
      await assert.rejects(planned(folder), /labelsTr\/c2\.nii\.gz: found label value 7/);
    }
    await assert.rejects(planned(folder, { check: false }), /found label value 7/);
    const { background: _, ...wrong } = { background: 0, a: 1, b: 2 };
    await assert.rejects(writeSmallDataset(`${folder}/d`, cases(5), wrong), /found label values 1, 2/);
    await writeSmallDataset(`${folder}/d`, cases(5), { background: 0, a: 1, b: 2, rare: 3 });
    const again = await planned(folder);
    assert.deepEqual([again.examined, again.dataset.labels.outputs], [true, 4]);
  }));

Deno.test("planLabelled() keeps edited plans, and plans anew when only the data has changed", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/d`, cases(5));
    const { plans, plansFile } = await planned(folder);
    const larger = { ...small("c4", 4), shape: [24, 24, 24] as const, images: [noise([24, 24, 24], 4)] };
    await writeSmallDataset(`${folder}/d`, [...cases(4), larger]);
    const second = await planned(folder);
    assert.deepEqual(second.warnings, []);
    assert.notDeepEqual(
      second.plans.foreground_intensity_properties_per_channel,
      plans.foreground_intensity_properties_per_channel,
    );
    const full = second.plans.configurations["3d_fullres"];
    const edited = { ...second.plans, configurations: { "3d_fullres": { ...full, batch_size: 7 } } };
    await writePlans(plansFile, edited);
    const kept = await planned(folder);
    assert.equal(kept.plans.configurations["3d_fullres"].batch_size, 7);
    assert.match(
      kept.warnings.join("\n"),
      /nnUNetPlans\.json differs from what would be planned and is kept/,
    );
    await writePlans(`${folder}/p/mine.json`, { ...edited, plans_name: "mine" });
    const named = await planned(folder, { plansName: "mine" });
    assert.deepEqual([named.plans.plans_name, named.warnings], ["mine", []]);
    const two = {
      ...full,
      normalization_schemes: [...full.normalization_schemes, "CTNormalization"] as const,
    };
    const wrong = {
      ...plans,
      configurations: { "3d_fullres": { ...two, use_mask_for_norm: [false, false] } },
    };
    await writePlans(`${folder}/p/mine.json`, wrong);
    await assert.rejects(
      planned(folder, { plansName: "mine" }),
      /found 2 normalization_schemes in 3d_fullres, wanted 1, one for each channel of d/,
    );
    await assert.rejects(planned(folder, { plansName: "none" }), /none\.json: found no such file/);
  }));

Deno.test("planLabelled() honours splits_final.json of the prepared folder, then of the data set's", () =>
  withFolder(async (folder) => {
    const dataset = await writeSmallDataset(`${folder}/d`, cases(5));
    const ids = dataset.cases.map(({ id }) => id);
    const own = [{ train: ["c0", "c1"], val: ["c2", "c3"] }];
    await writeSplits(`${folder}/d/splits_final.json`, own);
    const first = await planned(folder);
    assert.deepEqual(first.splits, own);
    assert.match(first.warnings.join(), /1 of 5 cases in no fold of .*the first is c4/);
    assert.deepEqual(await readSplits(`${folder}/p/splits_final.json`, ids), own);
    await writeSplits(`${folder}/p/splits_final.json`, [{ train: ["c4"], val: ["gone"] }]);
    await assert.rejects(planned(folder), /case gone in fold 0, which the data set lacks/);
  }));

Deno.test("planLabelled() plans a data set of fewer than five cases without folds", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(`${folder}/d`, cases(3));
    const { splits, warnings } = await planned(folder);
    assert.deepEqual(splits, []);
    assert.match(warnings.join(), /3 cases are too few for 5 folds: train on fold all/);
  }));
