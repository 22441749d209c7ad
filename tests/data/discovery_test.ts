import assert from "node:assert/strict";
import { discover } from "../../data/discovery/mod.ts";
import { classifyMask } from "../../data/discovery/masks.ts";
import { pretrainDataSchema, pretrainEntries, writePretrainData } from "../../data/pretrain_data.ts";
import { withFolder } from "../support/nifti_bytes.ts";
import { sharedDataTest } from "../support/shared_data.ts";

/** Writes files with this content, or empty ones. */
async function plant(folder: string, files: readonly string[] | Record<string, string>): Promise<void> {
  const contents = Array.isArray(files) ? files.map((name) => [name, ""]) : Object.entries(files);
  for (const [name, content] of contents) {
    await Deno.mkdir(`${folder}/${name.slice(0, name.lastIndexOf("/") + 1)}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${name}`, content);
  }
}

/** Lists `folder`; what was left out comes as "path below the folder: reason". */
async function listed(source: string, folder: string) {
  const leftOut: string[] = [];
  const real = await Deno.realPath(folder);
  const data = await discover(source, {
    onLeftOut: (path, reason) => leftOut.push(`${path.replace(`${real}/`, "")}: ${reason}`),
  });
  pretrainDataSchema.parse(data);
  return { data, entries: pretrainEntries(data), leftOut, real };
}

Deno.test("discover() gives images their masks: by stem, by entities, by mod-, never across sessions, spaces or data types", () =>
  withFolder(async (folder) => {
    const anat = "sub-1/ses-A/anat";
    await plant(`${folder}/study`, [
      `${anat}/sub-1_ses-A_T1w.nii.gz`,
      `${anat}/sub-1_ses-A_T2w.nii.gz`,
      `${anat}/sub-1_ses-A_run-2_T1w.nii.gz`,
      `${anat}/sub-1_ses-A_mod-T2w_defacemask.nii.gz`,
      "sub-1/ses-A/dwi/sub-1_ses-A_dwi.nii.gz",
      "sub-1/ses-B/anat/sub-1_ses-B_FLAIR.nii.gz",
      `derivatives/prep/${anat}/sub-1_ses-A_desc-brain_mask.nii.gz`,
      `derivatives/prep/${anat}/sub-1_ses-A_run-2_desc-brain_mask.nii.gz`,
      `derivatives/prep/${anat}/sub-1_ses-A_space-MNI_desc-brain_mask.nii.gz`,
      `derivatives/prep/${anat}/sub-1_ses-A_desc-preproc_T1w.nii.gz`,
      `derivatives/prep/${anat}/sub-1_ses-A_desc-lesion_mask.nii.gz`,
      `derivatives/prep/${anat}/sub-1_ses-A_dseg.nii.gz`,
      "derivatives/prep/sub-1/ses-A/dwi/sub-1_ses-A_desc-brain_mask.nii.gz",
      "derivatives/openmind/sub-1/ses-B/anat/sub-1_ses-B_FLAIR_desc-deface_mask.nii.gz",
      "derivatives/openmind/sub-1/ses-B/anat/sub-1_ses-B_FLAIR_desc-anatomy_mask.nii.gz",
      "derivatives/zother/sub-1/ses-B/anat/sub-1_ses-B_FLAIR_desc-brain_mask.nii.gz",
      "sourcedata/raw.nii.gz",
    ]);
    const { entries, leftOut, real } = await listed(`${folder}/study`, `${folder}/study`);
    const masks = Object.fromEntries(entries.map(({ image }) => [
      image.name,
      [image.associated_masks!.anonymization_mask, image.associated_masks!.anatomy_mask]
        .map((path) => path?.replace(`${real}/`, "") ?? null),
    ]));
    const prep = `derivatives/prep/${anat}`, openmind = "derivatives/openmind/sub-1/ses-B/anat";
    assert.deepEqual(masks, {
      "sub-1_ses-A_T1w.nii.gz": [null, `${prep}/sub-1_ses-A_desc-brain_mask.nii.gz`],
      "sub-1_ses-A_T2w.nii.gz": [`${anat}/sub-1_ses-A_mod-T2w_defacemask.nii.gz`, null],
      "sub-1_ses-A_run-2_T1w.nii.gz": [null, `${prep}/sub-1_ses-A_run-2_desc-brain_mask.nii.gz`],
      "sub-1_ses-A_dwi.nii.gz": [null, "derivatives/prep/sub-1/ses-A/dwi/sub-1_ses-A_desc-brain_mask.nii.gz"],
      "sub-1_ses-B_FLAIR.nii.gz": [
        `${openmind}/sub-1_ses-B_FLAIR_desc-deface_mask.nii.gz`,
        `${openmind}/sub-1_ses-B_FLAIR_desc-anatomy_mask.nii.gz`,
      ],
    });
    const second = `${real}/${openmind}/sub-1_ses-B_FLAIR_desc-anatomy_mask.nii.gz`;
    assert.deepEqual(leftOut.sort(), [
      `${prep}/sub-1_ses-A_desc-lesion_mask.nii.gz: a label map, not an image`,
      `${prep}/sub-1_ses-A_desc-preproc_T1w.nii.gz: a derivative, not an image as acquired`,
      `${prep}/sub-1_ses-A_dseg.nii.gz: a label map, not an image`,
      `${prep}/sub-1_ses-A_space-MNI_desc-brain_mask.nii.gz: a mask without its image`,
      `derivatives/zother/sub-1/ses-B/anat/sub-1_ses-B_FLAIR_desc-brain_mask.nii.gz: a second mask beside ${second}`,
      "sourcedata: folders named sourcedata are not read",
    ]);
  }));

Deno.test("classifyMask() tells masks of anonymisation and anatomy, other labels, and images apart", () => {
  const kind = (name: string) => {
    const mask = classifyMask(`${name}.nii.gz`);
    return mask && `${mask.kind} ${mask.stem}`;
  };
  assert.equal(kind("sub-1_T1w"), null);
  assert.equal(kind("case_12_brain"), null);
  assert.equal(kind("sub-1_T1w_mask"), "anatomy sub-1_T1w");
  assert.equal(kind("sub-1_T1w_anon_mask"), "anonymization sub-1_T1w");
  assert.equal(kind("sub-1_T1w_anat_mask"), "anatomy sub-1_T1w");
  assert.equal(kind("case_12_brain_mask"), "anatomy case_12");
  assert.equal(kind("case_12_lesion_mask"), "anatomy case_12_lesion"); // finds no image of this stem
  assert.equal(kind("a_brainmask"), "anatomy a");
  assert.equal(kind("sub-1_label-L_mask"), "label sub-1");
  assert.equal(kind("sub-1_label-brain_mask"), "anatomy sub-1");
  assert.equal(kind("BraTS_001_seg"), "label ");
});

Deno.test("discover() inherits sidecars from folders above, the deeper and more specific one first", () =>
  withFolder(async (folder) => {
    await plant(`${folder}/s`, {
      "T1w.json":
        '{"Manufacturer": "A", "MagneticFieldStrength": 3, "SliceTiming": [1, {"nested": 1}], "EchoTime": 1}',
      "acq-fast_T1w.json": '{"EchoTime": 2}',
      "T2w.json": '{"EchoTime": 99}',
      "sub-1/sub-1_T1w.json": '{"EchoTime": 3, "long": ["' + "x".repeat(300) + '"]}',
      "sub-1/anat/sub-1_acq-fast_T1w.json": '{"FlipAngle": 8}',
      "sub-1/anat/sub-1_acq-fast_T1w.nii.gz": "",
      "sub-2/anat/sub-2_acq-fast_T1w.nii.gz": "",
      "sub-2/anat/sub-2_acq-slow_T1w.nii.gz": "",
      "sub-2/anat/sub-2_PDw.nii.gz": "",
      "plain/x.nii": "",
      "plain/x.json": '{"EchoTime": 5}',
    });
    const { entries } = await listed(`${folder}/s`, folder);
    assert.deepEqual(Object.fromEntries(entries.map(({ image }) => [image.name, image.image_info])), {
      "x.nii": { EchoTime: 5 },
      "sub-1_acq-fast_T1w.nii.gz": {
        Manufacturer: "A",
        MagneticFieldStrength: 3,
        EchoTime: 3,
        FlipAngle: 8,
      },
      "sub-2_PDw.nii.gz": null,
      "sub-2_acq-fast_T1w.nii.gz": { Manufacturer: "A", MagneticFieldStrength: 3, EchoTime: 2 },
      "sub-2_acq-slow_T1w.nii.gz": { Manufacturer: "A", MagneticFieldStrength: 3, EchoTime: 1 },
    });
  }));

Deno.test("discover() lists images that lie outside subjects' folders, and studies at any depth", () =>
  withFolder(async (folder) => {
    await plant(`${folder}/all`, {
      "centre/ds1/dataset_description.json": '{"Name": "First study"}',
      "centre/ds1/participants.tsv": 'participant_id\tsite\tage\n01\t"Ber\t33\nsub-9\tX\t1\n',
      "centre/ds1/sub-01/sub-01_sessions.tsv": "session_id\tacq_time\nses-A\t2009\nB\t2010\n",
      "centre/ds1/sub-01/ses-A/anat/sub-01_ses-A_T1w.nii": "",
      "centre/ds1/sub-01/ses-B/sub-01_ses-B_T1w.mha": "",
      "centre/ds1/stray_T1w.nrrd": "",
      "loose/deep/er/a.nii.gz": "",
      "loose/a.zarr/0.nii": "",
    });
    const { data, entries } = await listed(`${folder}/all`, folder);
    assert.deepEqual(entries.map(({ imageId }) => imageId), [
      "all__all__centre_ds1_stray_T1w__ses-DEFAULT__stray_T1w.nrrd",
      "all__all__loose_deep_er_a__ses-DEFAULT__a.nii.gz",
      "all__centre_ds1__sub-01__ses-A__sub-01_ses-A_T1w.nii",
      "all__centre_ds1__sub-01__ses-B__sub-01_ses-B_T1w.mha",
    ]);
    const study = data.datasets.centre_ds1;
    assert.equal(study.name, "First study");
    assert.deepEqual(Object.keys(study.subjects), ["sub-01"]);
    assert.deepEqual(study.subjects["sub-01"].subject_info, { site: '"Ber', age: 33 });
    assert.deepEqual(
      Object.values(study.subjects["sub-01"].sessions).map(({ session_info }) => session_info),
      [{ acq_time: 2009 }, { acq_time: 2010 }],
    );
  }));

Deno.test("discover() takes a folder of DICOM files as one image, whatever their endings", () =>
  withFolder(async (folder) => {
    const dicom = new Uint8Array(132);
    dicom.set(new TextEncoder().encode("DICM"), 128);
    await plant(`${folder}/d`, [
      "p1/T1/a.dcm",
      "p1/T1/b.dcm",
      "p1/T2/IM01.IMA",
      "p2/IM0001",
      "p3/notes",
      "b.nii",
    ]);
    await Deno.writeFile(`${folder}/d/p2/IM0001`, dicom);
    const { entries, real } = await listed(`${folder}/d`, folder);
    assert.deepEqual(entries.map(({ subject, image }) => [subject, image.name, image.image_path]), [
      ["b", "b.nii", `${real}/d/b.nii`],
      ["p1_T1", "T1", `${real}/d/p1/T1`],
      ["p1_T2", "T2", `${real}/d/p1/T2`],
      ["p2", "p2", `${real}/d/p2`],
    ]);
  }));

Deno.test("discover() loses no image to a name that is taken, and to none that JavaScript uses itself", () =>
  withFolder(async (folder) => {
    await plant(`${folder}/x`, [
      "sub-1/anat/a_T1w.nii",
      "sub-1/func/2_a_T1w.nii",
      "sub-1/func/a_T1w.nii",
      "sub-1/perf/a_T1w.nii",
      "__proto__.nii",
      "constructor.nii",
      "a/b.nii",
      "a_b.nii",
    ]);
    const { data, entries } = await listed(`${folder}/x`, folder);
    assert.deepEqual(entries.map(({ subject, image }) => `${subject}/${image.name}`), [
      "proto/__proto__.nii",
      "a_b/a_b.nii",
      "a_b/b.nii",
      "constructor/constructor.nii",
      "sub-1/a_T1w.nii",
      "sub-1/2_a_T1w.nii",
      "sub-1/3_a_T1w.nii",
      "sub-1/4_a_T1w.nii",
    ]);
    assert.equal(new Set(entries.map(({ imageId }) => imageId)).size, 8);
    await writePretrainData(`${folder}/p.json`, data, {});
    const again = await discover(`${folder}/p.json`, { name: "other" });
    assert.equal(pretrainEntries(again).length, 8);
    assert.equal(again.collection_name, "other");
  }));

Deno.test("discover() reads a list: quoted cells, relative paths, masks, subjects of BIDS paths, other columns as facts", () =>
  withFolder(async (folder) => {
    const csv = [
      "Path,subject,session,dataset,modality,name,anatomy_mask,Age,subject_site,Scanner,comment",
      'scans/a.nii.gz,p1,s1,d1,T1w,first,masks/a.nii.gz,41,Ulm,"Ingenia, 3T","says ""ok"""',
      "/abs/b.mha,,,,,,,n/a,,,",
      "ds/sub-7/ses-2/anat/sub-7_ses-2_FLAIR.nii.gz,,,,,,/m.nii,12,,,",
      ",p9,,,,,,,,,",
      "",
      "scans/a.nii.gz,p1,s1,d1,T1w,first,,,,,",
    ].join("\r\n");
    await Deno.writeTextFile(`${folder}/my list.csv`, "\ufeff" + csv);
    const { data, entries, leftOut, real } = await listed(`${folder}/my list.csv`, folder);
    const masks = (anatomy_mask: string | null) => ({ anonymization_mask: null, anatomy_mask });
    assert.deepEqual(entries.map(({ imageId }) => imageId), [
      "my list__d1__p1__s1__first",
      "my list__d1__p1__s1__2_first",
      "my list__my list__abs_b__ses-DEFAULT__b.mha",
      "my list__ds__sub-7__ses-2__sub-7_ses-2_FLAIR.nii.gz",
    ]);
    assert.deepEqual(entries[0].image, {
      name: "first",
      image_path: `${real}/scans/a.nii.gz`,
      modality: "T1w",
      image_info: { Scanner: "Ingenia, 3T", comment: 'says "ok"' },
      associated_masks: masks(`${real}/masks/a.nii.gz`),
    });
    assert.deepEqual(data.datasets.d1.subjects.p1.subject_info, { age: 41, site: "Ulm" });
    assert.equal(entries[2].image.image_path, "/abs/b.mha");
    assert.equal(entries[2].image.modality, "unknown");
    assert.deepEqual([entries[3].image.modality, entries[3].image.associated_masks], [
      "FLAIR",
      masks("/m.nii"),
    ]);
    assert.deepEqual(leftOut, ["my list.csv, row 5: a row without a path"]);

    await Deno.writeTextFile(`${folder}/list.tsv`, "path\tsubject\na.nii\tx\n");
    assert.equal((await listed(`${folder}/list.tsv`, folder)).entries[0].subject, "x");
    await Deno.writeTextFile(`${folder}/semicolon.csv`, "path;subject\na,b.nii;x\n");
    assert.equal((await listed(`${folder}/semicolon.csv`, folder)).entries[0].image.name, "a,b.nii");
  }));

Deno.test("discover() says what is wrong with a list", () =>
  withFolder(async (folder) => {
    const refused = async (text: string, message: RegExp) => {
      await Deno.writeTextFile(`${folder}/a.csv`, text);
      await assert.rejects(discover(`${folder}/a.csv`), message);
    };
    await refused("", /a\.csv: found an empty table, wanted a first row that names the columns/);
    await refused("file,age\na.nii,3\n", /found the columns file, age, wanted a column named path/);
    await refused("path,age\na.nii,3,4\n", /found row 2 of 3 cells, wanted 2, one a column/);
    await refused('path,age\n"a.nii,3\n', /found row \d: Quoted field unterminated, wanted closed quotes/);
    await refused("path,age\n,3\n", /found no row with a path/);
  }));

sharedDataTest("discover() lists the eight real heads and leaves their label maps out", async (shared) => {
  const { entries, leftOut } = await listed(`${shared}/bids`, `${shared}/bids`);
  assert.equal(entries.length, 8);
  assert.deepEqual(leftOut.sort(), [
    "derivatives/labels/sub-01/anat/sub-01_label-aal_dseg.nii.gz: a label map, not an image",
    "derivatives/labels/sub-05/anat/sub-05_label-structures_dseg.nii.gz: a label map, not an image",
  ]);
});
