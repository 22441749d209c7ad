/** Small heads to link to, and trees of links of any number of entries. */
import { writePhantomCohort } from "../../data/phantom/mod.ts";
import { writePretrainData } from "../../data/pretrain_data.ts";
import { discover } from "../../data/discovery/mod.ts";

/** Studies and heads in each: 2,000 files of their own. */
const STUDIES = 20, HEADS = 100;
/** Coarse voxels: a file of about 3 kB, as fast to open as a large one. */
const SPACING = [16, 16, 16] as const;

/** Generates what is not there yet: `STUDIES` cohorts of `HEADS` heads. @returns paths of the images */
export async function writeHeads(folder: string, log: (line: string) => void): Promise<string[]> {
  const files: string[] = [];
  for (let study = 1; study <= STUDIES; study++) {
    const out = `${folder}/study-${String(study).padStart(2, "0")}`;
    const complete = await Deno.stat(`${out}/dataset_description.json`).then(() => true, () => false);
    if (!complete) {
      log(`generating ${HEADS} heads in ${out}`);
      await writePhantomCohort({ out, subjects: HEADS, seed: study, spacing: SPACING });
    }
    for await (const { name } of Deno.readDir(out)) {
      if (!name.startsWith("sub-")) continue;
      for await (const image of Deno.readDir(`${out}/${name}/anat`)) {
        files.push(`${out}/${name}/anat/${image.name}`);
      }
    }
  }
  return files.sort();
}

/**
 * Writes a folder of BIDS studies of 500 subjects, one image each with a sidecar, every image a link to a head; and beside it the same
 * collection as pretrain_data.json.
 */
export async function writeLinks(folder: string, entries: number, heads: readonly string[]): Promise<void> {
  const perStudy = 500;
  for (let first = 0; first < entries; first += perStudy) {
    const study = `${folder}/tree/ds${String(first / perStudy + 1).padStart(6, "0")}`;
    const rows = ["participant_id\tage\tsex"];
    for (let i = first; i < Math.min(entries, first + perStudy); i++) {
      const head = heads[i % heads.length], subject = `sub-${String(i - first + 1).padStart(4, "0")}`;
      const suffix = head.slice(head.lastIndexOf("_") + 1);
      const stem = `${study}/${subject}/anat/${subject}_${suffix.replace(".nii.gz", "")}`;
      await Deno.mkdir(`${study}/${subject}/anat`, { recursive: true });
      await Deno.symlink(head, `${stem}.nii.gz`);
      const sidecar = {
        MagneticFieldStrength: i % 7 === 0 ? 1 : 1.5,
        SeriesDescription: i % 11 === 0 ? "ADC" : "t1",
      };
      await Deno.writeTextFile(`${stem}.json`, JSON.stringify(sidecar));
      rows.push(`${subject}\t${20 + i % 60}\t${i % 2 === 0 ? "F" : "M"}`);
    }
    await Deno.writeTextFile(`${study}/participants.tsv`, rows.join("\n") + "\n");
    await Deno.writeTextFile(
      `${study}/dataset_description.json`,
      JSON.stringify({ Name: study, BIDSVersion: "1.10.0" }),
    );
  }
  await writePretrainData(
    `${folder}/pretrain_data.json`,
    await discover(`${folder}/tree`, { name: "links" }),
  );
}
