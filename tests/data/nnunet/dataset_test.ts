import assert from "node:assert/strict";
import { readDataset } from "../../../data/nnunet/dataset.ts";
import { DatasetError } from "../../../data/nnunet/dataset_error.ts";
import { withFolder } from "../../support/nifti_bytes.ts";
import { noise, type SmallCase, writeSmallDataset } from "../../support/small_labelled.ts";

const small = (id: string, seed: number): SmallCase => ({
  id,
  shape: [4, 5, 6],
  images: [noise([4, 5, 6], seed), noise([4, 5, 6], seed + 100)],
  label: (z) => z % 3,
});

async function change(folder: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const path = `${folder}/dataset.json`;
  const description = { ...JSON.parse(await Deno.readTextFile(path)), ...fields };
  await Deno.writeTextFile(path, JSON.stringify(description));
}

Deno.test("readDataset() lists cases and channels in order", () =>
  withFolder(async (folder) => {
    const dataset = await writeSmallDataset(`${folder}/Dataset007_Small`, [small("b", 1), small("a_x", 2)]);
    const root = dataset.folder;
    assert.equal(dataset.name, "Dataset007_Small");
    assert.deepEqual(dataset.channelNames, ["MR0", "MR1"]);
    assert.equal(dataset.fileEnding, ".nii.gz");
    assert.deepEqual(dataset.cases.map(({ id }) => id), ["a_x", "b"]);
    assert.deepEqual(dataset.cases[1], {
      id: "b",
      images: [`${root}/imagesTr/b_0000.nii.gz`, `${root}/imagesTr/b_0001.nii.gz`],
      label: `${root}/labelsTr/b.nii.gz`,
    });
    assert.equal(dataset.description.numTraining, 2);
  }));

Deno.test("readDataset() follows the file map of dataset.json, relative, absolute and with variables", () =>
  withFolder(async (folder) => {
    const root = await Deno.realPath(folder);
    await writeSmallDataset(`${folder}/d`, [small("a", 1), small("b", 2)]);
    Deno.env.set("SPARK3D_TEST_ROOT", root);
    await change(`${folder}/d`, {
      dataset: {
        one: { images: ["imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz"], label: "labelsTr/a.nii.gz" },
        two: {
          images: ["$SPARK3D_TEST_ROOT/d/imagesTr/b_0000.nii.gz", `${root}/d/imagesTr/b_0001.nii.gz`],
          label: "${SPARK3D_TEST_ROOT}/d/labelsTr/b.nii.gz",
        },
      },
    });
    const { cases } = await readDataset(`${folder}/d`);
    assert.deepEqual(cases.map(({ id }) => id), ["one", "two"]);
    assert.equal(cases[0].images[1], `${root}/d/imagesTr/a_0001.nii.gz`);
    assert.deepEqual(cases[1].images, [
      `${root}/d/imagesTr/b_0000.nii.gz`,
      `${root}/d/imagesTr/b_0001.nii.gz`,
    ]);
    assert.equal(cases[1].label, `${root}/d/labelsTr/b.nii.gz`);
    await change(`${folder}/d`, {
      numTraining: 1,
      dataset: { one: { images: ["imagesTr/a_0000.nii.gz"], label: "labelsTr/none.nii.gz" } },
    });
    await assert.rejects(readDataset(`${folder}/d`), (error: DatasetError) => {
      assert.equal(error.problems.length, 2);
      assert.match(error.problems[0], /found 1 images of case one, wanted 2, one for each channel/);
      assert.match(error.problems[1], /none\.nii\.gz: found no such file, wanted a file of case one/);
      return true;
    });
    Deno.env.delete("SPARK3D_TEST_ROOT");
  }));

Deno.test("readDataset() gives a line for every file that is missing or too many", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(folder, ["a", "b", "c"].map(small));
    await Deno.remove(`${folder}/imagesTr/a_0001.nii.gz`);
    await Deno.remove(`${folder}/labelsTr/b.nii.gz`);
    await Deno.rename(`${folder}/imagesTr/c_0001.nii.gz`, `${folder}/imagesTr/c_0002.nii.gz`);
    await Deno.writeTextFile(`${folder}/imagesTr/odd.nii.gz`, "");
    await Deno.writeTextFile(`${folder}/imagesTr/readme.txt`, "not an image");
    await assert.rejects(readDataset(folder), (error: DatasetError) => {
      assert.deepEqual(error.problems.map((line) => line.replace(/.*\/(imagesTr|labelsTr)\//, "")), [
        "c_0002.nii.gz: found channel 2, wanted channels 0 to 1, as dataset.json declares: remove the file or declare the channel",
        "odd.nii.gz: found no channel number, wanted CASE_0000.nii.gz: rename or remove the file",
        "a_0001.nii.gz: found no such file, wanted channel 1 (MR1) of case a: add the missing channel",
        "b.nii.gz: found no such file, wanted the label map of case b: add it, or remove the images of the case",
        "c_0001.nii.gz: found no such file, wanted channel 1 (MR1) of case c: add the missing channel",
      ]);
      assert.equal(error.message, error.problems.join("\n"));
      return true;
    });
  }));

Deno.test("readDataset() names the wrong field of dataset.json", () =>
  withFolder(async (folder) => {
    await writeSmallDataset(folder, [small("a", 1)]);
    const wrong: [Record<string, unknown>, RegExp][] = [
      [{ numTraining: 3 }, /dataset\.json: found numTraining 3, wanted 1, the number of training cases/],
      [{ numTraining: 1, channel_names: {} }, /found no channel_names/],
      [{ channel_names: { "1": "T1" } }, /found channel_names with the keys 1/],
      [
        { channel_names: { "0": "T1", "1": "T2" }, file_ending: ".png" },
        /found file_ending "\.png", wanted one of \.nii\.gz, .*: correct the file$/,
      ],
      [{ file_ending: ".nii" }, /found no training case, wanted imagesTr\/CASE_0000\.nii/],
      [
        { file_ending: ".nii.gz", overwrite_image_reader_writer: "Tiff3DIO" },
        /found overwrite_image_reader_writer "Tiff3DIO", wanted SimpleITKIO/,
      ],
      [
        { overwrite_image_reader_writer: "None", dataset: { "a/b": { images: [], label: "x" } } },
        /dataset: wanted case ids without slashes/,
      ],
    ];
    for (const [fields, message] of wrong) {
      await change(folder, fields);
      await assert.rejects(readDataset(folder), message);
    }
    await assert.rejects(readDataset(`${folder}/none`), /Cannot read .*none: found no such file or folder/);
    await assert.rejects(readDataset(`${folder}/imagesTr`), /dataset\.json: found no such file/);
  }));
