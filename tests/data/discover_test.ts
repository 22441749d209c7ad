import assert from "node:assert/strict";
import { discover } from "../../data/discovery/mod.ts";
import {
  contractPath,
  expandPath,
  pretrainDataSchema,
  pretrainEntries,
  readPretrainData,
  writePretrainData,
} from "../../data/pretrain_data.ts";
import { withFolder } from "../support/nifti_bytes.ts";

async function touch(folder: string, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${name.slice(0, name.lastIndexOf("/") + 1)}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${name}`, content);
  }
}

Deno.test("discover() maps a BIDS study: sessions, modality, participants, sidecars; labels and derivatives stay out", () =>
  withFolder(async (folder) => {
    await touch(folder, {
      "study/participants.tsv": "participant_id\tage\tsex\tnote\nsub-01\t26\tF\tn/a\nsub-02\t31.5\tM\tok\n",
      "study/sub-01/anat/sub-01_T1w.nii.gz": "",
      "study/sub-01/anat/sub-01_T1w.json": '{"MagneticFieldStrength": 3}',
      "study/sub-01/anat/sub-01_T2w.nii": "",
      "study/sub-01/anat/sub-01_T2w.json": "not json",
      "study/sub-01/anat/sub-01_dseg.nii.gz": "",
      "study/sub-01/anat/.hidden_T1w.nii": "",
      "study/sub-02/ses-A/anat/sub-02_ses-A_FLAIR.nii.gz": "",
      "study/sub-02/ses-B/dwi/sub-02_ses-B_desc-b0_dwi.nii.gz": "",
      "study/derivatives/sub-01/anat/sub-01_T1w.nii.gz": "",
      "study/sub-02/ses-A/anat/notes.txt": "",
    });
    const data = await discover(`${folder}/study`, { index: 745 });
    assert.equal(data.collection_index, 745);
    const entries = pretrainEntries(data);
    assert.deepEqual(entries.map(({ imageId, image }) => `${imageId} ${image.modality}`), [
      "study__study__sub-01__ses-DEFAULT__sub-01_T1w.nii.gz T1w",
      "study__study__sub-01__ses-DEFAULT__sub-01_T2w.nii T2w",
      "study__study__sub-02__ses-A__sub-02_ses-A_FLAIR.nii.gz FLAIR",
      "study__study__sub-02__ses-B__sub-02_ses-B_desc-b0_dwi.nii.gz dwi",
    ]);
    assert.deepEqual(data.datasets.study.subjects["sub-01"].subject_info, { age: 26, sex: "F", note: null });
    assert.deepEqual(entries[0].image.image_info, { MagneticFieldStrength: 3 });
    assert.equal(entries[1].image.image_info, null);
    assert.equal(entries[3].subjectId, "study__study__sub-02");
    pretrainDataSchema.parse(data);
  }));

Deno.test("discover() takes a folder of studies as data sets, and any other folder file by file", () =>
  withFolder(async (folder) => {
    await touch(folder, {
      "all/ds000001/sub-1/anat/sub-1_T1w.nii.gz": "",
      "all/ds000002/sub-1/anat/sub-1_T1w.nii.gz": "",
      "plain/a.nii": "",
      "plain/deep/a.nii.gz": "",
      "plain/deep/b.NII.GZ": "",
      "plain/deep/readme.md": "",
    });
    const studies = await discover(`${folder}/all`, { name: "Dataset7" });
    assert.deepEqual(Object.keys(studies.datasets), ["ds000001", "ds000002"]);
    assert.equal(studies.collection_index, "Dataset7");
    const plain = pretrainEntries(
      await discover(`${folder}/plain`, { modality: (path) => path.includes("b.") ? "T2w" : "T1w" }),
    );
    assert.deepEqual(plain.map(({ subject, image }) => `${subject} ${image.modality}`), [
      "a T1w",
      "deep_a T1w",
      "deep_b T2w",
    ]);
    await Deno.symlink(`${folder}/plain`, `${folder}/plain/deep/loop`);
    assert.equal(pretrainEntries(await discover(`${folder}/plain`)).length, 3);
  }));

Deno.test("discover() says what is wrong with a missing, empty or wrong path", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await Deno.mkdir(`${folder}/empty`);
    await assert.rejects(discover(`${folder}/no`), /Cannot read .*\/no: found no such file or folder/);
    await assert.rejects(
      discover(`${folder}/empty`),
      /found no image \(.nii, .nii.gz, .nrrd, .mha or DICOM\), wanted a BIDS tree/,
    );
    await assert.rejects(discover(`${folder}/file`), /found a file of another kind, wanted a folder, a .csv/);
  }));

Deno.test("pretrain_data.json keeps paths below the roots relative and comes back whole", () =>
  withFolder(async (folder) => {
    const variables = { nnssl_raw: `${folder}/`, other: "/mnt" };
    await touch(folder, { "study/sub-01/anat/sub-01_T1w.nii.gz": "" });
    const data = await discover(`${folder}/study`);
    const file = `${folder}/pretrain_data.json`;
    const real = await Deno.realPath(folder);
    await writePretrainData(file, data, { nnssl_raw: real });
    assert.match(await Deno.readTextFile(file), /"\$nnssl_raw\/study\/sub-01\/anat/);
    assert.deepEqual(await readPretrainData(file, { nnssl_raw: `${real}/` }), data);
    assert.equal(expandPath("$other/a", variables), "/mnt/a");
    assert.equal(expandPath("/a/$b", variables), "/a/$b");
    assert.equal(contractPath("/mnt/a", variables), "/mnt/a");
    await assert.rejects(readPretrainData(file, {}), /found no value for \$nnssl_raw/);
    const example = structuredClone(data) as Record<string, unknown>;
    delete example.collection_name;
    await Deno.writeTextFile(file, JSON.stringify(example));
    await assert.rejects(readPretrainData(file), /found collection_name: /);
    await Deno.writeTextFile(file, "{");
    await assert.rejects(readPretrainData(file), /wanted JSON/);
    const twice = structuredClone(data);
    const { images } = twice.datasets.study.subjects["sub-01"].sessions["ses-DEFAULT"];
    images.push(images[0]);
    await Deno.writeTextFile(file, JSON.stringify(twice));
    await assert.rejects(readPretrainData(file), /found two images study__study__sub-01/);
  }));
