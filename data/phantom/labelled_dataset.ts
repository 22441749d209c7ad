import { makeFolder, writeJsonAtomic } from "../atomic.ts";
import { writeNifti } from "../formats/nifti/write_nifti.ts";
import { type Dims3, makeVolume } from "../volume.ts";
import type { PhantomContrast } from "./contrast.ts";
import { PHANTOM_LABELS, type PhantomLabel } from "./labels.ts";
import { generatePhantom } from "./phantom.ts";

/** A segmentation task on generated heads. */
export interface PhantomTask {
  readonly contrast: PhantomContrast;
  readonly lesions: boolean;
  /** Foreground classes; class i has label i + 1, everything else is background. */
  readonly classes: readonly PhantomLabel[];
}

/** Tasks by name: eleven brain structures on T1w, white-matter lesions on FLAIR. */
export const PHANTOM_TASKS = {
  structures: {
    contrast: "T1w",
    lesions: false,
    classes: [
      "cerebrospinal_fluid",
      "cortical_grey_matter",
      "white_matter",
      "ventricle",
      "caudate",
      "putamen",
      "pallidum",
      "thalamus",
      "cerebellar_grey_matter",
      "cerebellar_white_matter",
      "brain_stem",
    ],
  },
  lesions: { contrast: "FLAIR", lesions: true, classes: ["lesion"] },
} as const satisfies Readonly<Record<string, PhantomTask>>;

/** Which data set to write. */
export interface PhantomDatasetRequest {
  /** Folder to write; its last part is the name of the data set. */
  readonly out: string;
  readonly task: keyof typeof PHANTOM_TASKS;
  /** Number of labelled heads. */
  readonly subjects: number;
  /** Number of the first head of the seed's sequence, 0 when left out; ranges that do not overlap share no head. */
  readonly firstSubject?: number;
  readonly seed: number;
  /** mm along z, y, x; drawn for each head when left out. */
  readonly spacing?: Dims3;
  /** `file` relative to `out` */
  readonly onProgress?: (done: number, file: string) => void;
  /** stops between two heads */
  readonly signal?: AbortSignal;
}

/**
 * Writes generated heads as a labelled data set in nnU-Net's layout: `imagesTr/head_0000_0000.nii.gz`,
 * `labelsTr/head_0000.nii.gz` and, written last, `dataset.json`. The same request writes the same voxels.
 *
 * @throws {RangeError} unless `subjects` is a whole number of at least 1
 * @throws {DataError} when the folder cannot be written
 */
export async function writePhantomDataset(request: PhantomDatasetRequest): Promise<void> {
  const { out, subjects, firstSubject = 0, seed, spacing, onProgress, signal } = request;
  if (!Number.isInteger(subjects) || subjects < 1) {
    throw new RangeError(
      `Cannot write a data set: found ${subjects} subjects, wanted a whole number of at least 1`,
    );
  }
  const task: PhantomTask = PHANTOM_TASKS[request.task];
  const valueOf = new Uint8Array(Object.keys(PHANTOM_LABELS).length);
  task.classes.forEach((name, i) => valueOf[PHANTOM_LABELS[name]] = i + 1);
  await makeFolder(`${out}/imagesTr`);
  await makeFolder(`${out}/labelsTr`);
  for (let i = 0; i < subjects; i++) {
    signal?.throwIfAborted();
    const subject = firstSubject + i;
    const { contrast, lesions } = task;
    const { image, labels } = generatePhantom({ seed, subject, contrast, lesions, spacing });
    const description = `Spark3D phantom, seed ${seed}, subject ${subject}`;
    const id = `head_${String(subject).padStart(4, "0")}`;
    const file = `imagesTr/${id}_0000.nii.gz`;
    await writeNifti(`${out}/${file}`, image, { dtype: "int16", description });
    const values = Float32Array.from(labels.data, (label) => valueOf[label]);
    const labelVolume = makeVolume(values, labels.shape, labels.affine);
    await writeNifti(`${out}/labelsTr/${id}.nii.gz`, labelVolume, { dtype: "uint8", description });
    onProgress?.(i + 1, file);
  }
  await writeJsonAtomic(`${out}/dataset.json`, {
    name: out.replace(/\/+$/, "").split("/").at(-1),
    description: `Generated heads, task ${request.task}, seed ${seed}, subjects ${firstSubject} to ${
      firstSubject + subjects - 1
    }`,
    channel_names: { "0": task.contrast },
    labels: Object.fromEntries([["background", 0], ...task.classes.map((name, i) => [name, i + 1])]),
    numTraining: subjects,
    file_ending: ".nii.gz",
  });
}
