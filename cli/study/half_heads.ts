import { makeFolder, writeJsonAtomic } from "../../data/atomic.ts";
import { DataError } from "../../data/errors.ts";
import { readImage } from "../../data/formats/mod.ts";
import { writeNifti } from "../../data/formats/nifti/write_nifti.ts";
import { reorient } from "../../data/orientation.ts";
import { type Dims3, makeVolume, multiplyAffine, type Volume, voxelCount } from "../../data/volume.ts";

/** One labelled head to be cut into halves. */
export interface HalfHeadRequest {
  /** Image of a head without background, for example a brain-extracted one. */
  readonly image: string;
  /** Label map on the same grid, with the same label on both sides. */
  readonly label: string;
  /** Names of the labels 1, 2, ... */
  readonly classes: readonly string[];
  /** Which half to write; the right one is mirrored, so that it looks like a left one. */
  readonly side: "left" | "right";
  /** Folder of the data set. */
  readonly out: string;
}

/**
 * Writes one half of a labelled head as a data set of one case in nnU-Net's layout: with both halves a single labelled volume serves for
 * training and for testing.
 *
 * The image is brought to RAS and cut at the centre of gravity of its non-zero voxels along x.
 *
 * @throws {DataError} when a file cannot be read, the grids differ, or the image is empty
 */
export async function writeHalfHead({ image, label, classes, side, out }: HalfHeadRequest): Promise<void> {
  const head = reorient(await readImage(image), "RAS");
  const map = reorient(await readImage(label), "RAS");
  if (head.shape.join() !== map.shape.join()) {
    throw new DataError({
      file: label,
      found: `a grid of ${map.shape.join("x")} voxels`,
      wanted: `the image's ${head.shape.join("x")}`,
      remedy: "give the label map of this image",
    });
  }
  const middle = midline(head, image);
  await makeFolder(`${out}/imagesTr`);
  await makeFolder(`${out}/labelsTr`);
  await writeNifti(`${out}/imagesTr/${side}_0000.nii.gz`, halfOf(head, middle, side), { dtype: "float32" });
  await writeNifti(`${out}/labelsTr/${side}.nii.gz`, halfOf(map, middle, side), { dtype: "uint8" });
  await writeJsonAtomic(`${out}/dataset.json`, {
    name: out.replace(/\/+$/, "").split("/").at(-1),
    description: `The ${side} half of one head${side === "right" ? ", mirrored" : ""}`,
    channel_names: { "0": "MR" },
    labels: Object.fromEntries([["background", 0], ...classes.map((name, i) => [name, i + 1])]),
    numTraining: 1,
    file_ending: ".nii.gz",
  });
}

/** First index along x of the right half. */
function midline({ data, shape }: Volume, file: string): number {
  let sum = 0, count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    sum += i % shape[2];
    count++;
  }
  if (count === 0) {
    throw new DataError({
      file,
      found: "no voxel other than 0",
      wanted: "a head",
      remedy: "give another image",
    });
  }
  return Math.round(sum / count + 0.5);
}

/** One half as a volume of its own, the right one mirrored along x. */
function halfOf(head: Volume, middle: number, side: "left" | "right"): Volume {
  const [depth, height, width] = head.shape;
  const size = side === "left" ? middle : width - middle;
  const shape: Dims3 = [depth, height, size];
  const data = new Float32Array(voxelCount(shape));
  for (let row = 0; row < depth * height; row++) {
    for (let x = 0; x < size; x++) {
      data[row * size + x] = head.data[row * width + (side === "left" ? x : width - 1 - x)];
    }
  }
  const shift = [1, 0, 0, side === "left" ? 0 : middle, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  return makeVolume(data, shape, multiplyAffine(head.affine, shift));
}
