import assert from "node:assert/strict";
import { readNifti } from "../../data/formats/nifti/read_nifti.ts";
import {
  generatePhantom,
  PHANTOM_LABELS,
  PHANTOM_TASKS,
  writePhantomDataset,
} from "../../data/phantom/mod.ts";
import type { Dims3 } from "../../data/volume.ts";

const SPACING: Dims3 = [5, 5, 5];

Deno.test("writePhantomDataset() writes images, labels of the task and dataset.json", async () => {
  for (const task of ["structures", "lesions"] as const) {
    const out = await Deno.makeTempDir();
    try {
      await writePhantomDataset({ out, task, subjects: 2, firstSubject: 7, seed: 2, spacing: SPACING });
      const names = (folder: string) =>
        [...Deno.readDirSync(`${out}/${folder}`)].map(({ name }) => name).sort();
      assert.deepEqual(names("imagesTr"), ["head_0007_0000.nii.gz", "head_0008_0000.nii.gz"]);
      assert.deepEqual(names("labelsTr"), ["head_0007.nii.gz", "head_0008.nii.gz"]);
      const { classes, contrast, lesions } = PHANTOM_TASKS[task];
      const dataset = JSON.parse(await Deno.readTextFile(`${out}/dataset.json`));
      assert.deepEqual(Object.keys(dataset.labels), ["background", ...classes]);
      assert.equal(dataset.channel_names["0"], contrast);
      assert.equal(dataset.numTraining, 2);
      const written = await readNifti(`${out}/labelsTr/head_0008.nii.gz`);
      const { labels } = generatePhantom({ seed: 2, subject: 8, contrast, lesions, spacing: SPACING });
      let foreground = 0;
      labels.data.forEach((label, i) => {
        const name = Object.entries(PHANTOM_LABELS).find(([, value]) => value === label)![0];
        const wanted = (classes as readonly string[]).indexOf(name) + 1;
        if (written.data[i] !== wanted) assert.equal(written.data[i], wanted, `voxel ${i}, ${name}`);
        if (wanted > 0) foreground++;
      });
      assert.ok(foreground > 0);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  }
});

Deno.test("writePhantomDataset() refuses a data set without heads", async () => {
  const request = { out: "nowhere", task: "lesions", subjects: 0, seed: 0 } as const;
  await assert.rejects(() => writePhantomDataset(request), /found 0 subjects/);
});
