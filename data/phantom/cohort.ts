import { makeFolder, writeFileAtomic, writeJsonAtomic } from "../atomic.ts";
import { writeNifti } from "../formats/nifti/write_nifti.ts";
import { type Dims3, makeVolume } from "../volume.ts";
import { PHANTOM_CONTRASTS } from "./contrast.ts";
import { PHANTOM_LABELS } from "./labels.ts";
import { generatePhantom } from "./phantom.ts";

/** Which cohort to write. */
export interface PhantomCohortRequest {
  /** folder of the BIDS tree; created with its parents */
  readonly out: string;
  /** number of subjects, at least 1; each has one image */
  readonly subjects: number;
  readonly seed: number;
  /** white-matter lesions in every second subject, default false */
  readonly lesions?: boolean;
  /** voxel size of all images in mm along z, y, x; drawn per subject when left out */
  readonly spacing?: Dims3;
  /** called after every subject: how many are done, and the image just written, relative to `out` */
  readonly onProgress?: (done: number, file: string) => void;
  /** stops between two subjects */
  readonly signal?: AbortSignal;
}

/**
 * Writes a cohort of generated heads as a BIDS tree, contrasts in turn:
 * `sub-01/anat/sub-01_T1w.nii.gz` and its voxel labels in `derivatives/labels/sub-01/anat/sub-01_dseg.nii.gz`, with label
 * names in `sub-01_dseg.json`. The same request writes the same voxels.
 *
 * `dataset_description.json` is written last: where it exists, the cohort is complete.
 *
 * @returns paths of the images, relative to `out`
 * @throws {RangeError} unless `subjects` is a whole number of at least 1
 * @throws {DataError} when the folder cannot be written
 */
export async function writePhantomCohort(request: PhantomCohortRequest): Promise<string[]> {
  const { out, subjects, seed, lesions = false, spacing, onProgress, signal } = request;
  if (!Number.isInteger(subjects) || subjects < 1) {
    throw new RangeError(
      `Cannot write a cohort: found ${subjects} subjects, wanted a whole number of at least 1`,
    );
  }
  const digits = Math.max(2, String(subjects).length);
  const files: string[] = [];
  const rows = ["participant_id\tcontrast\tlesions"];
  for (let subject = 0; subject < subjects; subject++) {
    signal?.throwIfAborted();
    const id = `sub-${String(subject + 1).padStart(digits, "0")}`;
    const contrast = PHANTOM_CONTRASTS[subject % PHANTOM_CONTRASTS.length];
    const hasLesions = lesions && subject % 2 === 0;
    const { image, labels } = generatePhantom({ seed, subject, contrast, lesions: hasLesions, spacing });
    const description = `Spark3D phantom, seed ${seed}, subject ${subject}`;
    const labelStem = `${out}/derivatives/labels/${id}/anat/${id}_dseg`;
    const file = `${id}/anat/${id}_${contrast}.nii.gz`;
    await makeFolder(`${out}/${id}/anat`);
    await makeFolder(`${out}/derivatives/labels/${id}/anat`);
    await writeNifti(`${out}/${file}`, image, { dtype: "int16", description });
    const labelVolume = makeVolume(Float32Array.from(labels.data), labels.shape, labels.affine);
    await writeNifti(`${labelStem}.nii.gz`, labelVolume, { dtype: "uint8", description });
    await writeJsonAtomic(`${labelStem}.json`, { labels: PHANTOM_LABELS, image: file });
    rows.push(`${id}\t${contrast}\t${hasLesions ? "yes" : "no"}`);
    files.push(file);
    onProgress?.(subject + 1, file);
  }
  await writeFileAtomic(`${out}/participants.tsv`, rows.join("\n") + "\n");
  const dataset = {
    BIDSVersion: "1.10.0",
    GeneratedBy: [{ Name: "Spark3D phantom", Seed: seed, Subjects: subjects }],
  };
  await writeJsonAtomic(`${out}/derivatives/labels/dataset_description.json`, {
    Name: "Labels of generated heads",
    DatasetType: "derivative",
    ...dataset,
  });
  await writeJsonAtomic(`${out}/dataset_description.json`, {
    Name: "Generated heads",
    DatasetType: "raw",
    ...dataset,
  });
  return files;
}
