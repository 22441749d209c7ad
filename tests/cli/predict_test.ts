import assert from "node:assert/strict";
import { findRuns } from "../../cli/find_models.ts";
import { findScans } from "../../cli/find_scans.ts";
import { hasAdapter } from "../support/gpu.ts";
import { spawnSpark3d, temporaryFolder } from "../support/spawn.ts";
import { tinyModel, writeModel, writeScans } from "../train/predict/tiny_model.ts";

/** Empty files. */
async function touch(folder: string, names: readonly string[]): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, "");
}

const idsOf = async (path: string, channels: readonly string[]) =>
  (await findScans(path, channels)).map((
    { id, images },
  ) => [id, ...images.map((file) => file.split("/").at(-1))]);

Deno.test("findScans() takes channels by number, plain files for one channel, and one file", async () => {
  using folder = temporaryFolder();
  await touch(`${folder.path}/two`, [
    "b_0001.nii.gz",
    "b_0000.nii.gz",
    "a_0000.nrrd",
    "a_0001.nrrd",
    "note.txt",
  ]);
  await touch(`${folder.path}/one`, ["a.nii", "b_0000.nii.gz", ".hidden.nii"]);
  const two = [["a", "a_0000.nrrd", "a_0001.nrrd"], ["b", "b_0000.nii.gz", "b_0001.nii.gz"]];
  assert.deepEqual(await idsOf(`${folder.path}/two`, ["T1", "T2"]), two);
  assert.deepEqual(await idsOf(`${folder.path}/two/b_0001.nii.gz`, ["T1", "T2"]), [two[1]]);
  assert.deepEqual(await idsOf(`${folder.path}/one`, ["T1"]), [["a", "a.nii"], ["b", "b_0000.nii.gz"]]);
  assert.deepEqual(await idsOf(`${folder.path}/one/b_0000.nii.gz`, ["T1"]), [["b", "b_0000.nii.gz"]]);
});

Deno.test("findScans() says in one line which channel is missing, too many, or without a number", async () => {
  using folder = temporaryFolder();
  const cases: [string[], string[], RegExp][] = [
    [["a_0000.nii"], ["T1", "T2"], /channel 1 \(T2\) is missing: add a_0001\.nii\.gz$/],
    [["a_0000.nii", "a_0001.nii"], ["T1"], /a_0001\.nii: found channel 1, wanted images such as /],
    [
      ["a.nii"],
      ["T1", "T2"],
      /a\.nii: found no channel number in its name, wanted CASE_0000\.nii\.gz \(T1\), /,
    ],
    [["a.nii", "a.nii.gz"], ["T1"], /found a\.nii beside it, which is the same scan a: keep one$/],
    [["readme.txt"], ["T1"], /found no image in this folder/],
  ];
  for (const [i, [names, channels, message]] of cases.entries()) {
    await touch(`${folder.path}/${i}`, names);
    await assert.rejects(findScans(`${folder.path}/${i}`, channels), message);
  }
  await assert.rejects(findScans(`${folder.path}/0/a_0000.nii`, ["T1", "T2"]), /channel 1 \(T2\) is missing/);
  await assert.rejects(findScans(`${folder.path}/none`, ["T1"]), /does not exist/);
});

Deno.test("findRuns() takes every fold with a number, or those asked for", async () => {
  using folder = temporaryFolder();
  const run = folder.path;
  for (const fold of ["fold_0", "fold_10", "fold_2", "fold_all"]) await Deno.mkdir(`${run}/${fold}`);
  assert.deepEqual(await findRuns(run, undefined), [`${run}/fold_0`, `${run}/fold_2`, `${run}/fold_10`]);
  assert.deepEqual(await findRuns(run, ["2", "all"]), [`${run}/fold_2`, `${run}/fold_all`]);
  assert.deepEqual(await findRuns(`${run}/fold_0`, undefined), [`${run}/fold_0`]);
  await assert.rejects(
    findRuns(run, ["3"]),
    /Cannot use fold 3 of .*: found 0, 2, 10, all: choose among these$/,
  );
  await assert.rejects(findRuns(`${run}/fold_0`, ["3"]), /found no folder fold_3/);
});

Deno.test({
  name: "predict averages folds, post-processes, reports what cannot be read, and prints one JSON object",
  ignore: !hasAdapter,
  fn: async () => {
    using folder = temporaryFolder();
    const cwd = folder.path;
    await Deno.mkdir(`${cwd}/scans`);
    await writeScans(`${cwd}/scans`, [[9, 10, 11], [8, 9, 9]]);
    await Deno.writeTextFile(`${cwd}/scans/scan1.nii.gz`, "no image");
    for (const fold of [0, 1]) await writeModel(`${cwd}/run/fold_${fold}`, tinyModel(fold + 20));
    const steps = [{ kind: "keep-largest-component", name: "foreground", values: [1, 2] }];
    await Deno.writeTextFile(`${cwd}/steps.json`, JSON.stringify({ steps }));
    const args = [
      "predict",
      "scans",
      "--model",
      "run",
      "--out",
      "seg",
      "--no-mirror",
      "--postprocessing",
      "steps.json",
    ];
    const found = await spawnSpark3d([...args, "--json"], { cwd });
    assert.equal(found.code, 1, found.stderr);
    const { ok, cases, failed } = JSON.parse(found.stdout);
    assert.deepEqual([ok, cases.length, cases[0].path, failed.length], [false, 1, "seg/scan0.nii.gz", 1]);
    assert.match(found.stderr, /^warning: scan1: Cannot read scans\/scan1\.nii\.gz: found /m);
    const { models, mirrored_axes } = JSON.parse(await Deno.readTextFile(`${cwd}/seg/prediction.json`));
    assert.deepEqual([models.length, mirrored_axes], [2, []]);
    const wrong = await spawnSpark3d(["predict", "scans", "--model", "scans", "--out", "seg"], { cwd });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^error: Cannot read .* from scans: found /);
  },
});
