import { hashRandom } from "../../data/random.ts";
import { floatVoxels, niftiBytes } from "./nifti_bytes.ts";

/** A blob of noise with a zero border of one voxel, x, y, z sizes. */
export function blobVoxels(size: readonly [number, number, number], seed: number): Float32Array {
  const random = hashRandom(seed);
  const [w, h, d] = size;
  return Float32Array.from({ length: w * h * d }, (_, i) => {
    const x = i % w, y = Math.floor(i / w) % h, z = Math.floor(i / w / h);
    const border = x === 0 || y === 0 || z === 0 || x === w - 1 || y === h - 1 || z === d - 1;
    return border ? 0 : 50 + 10 * random.normal();
  });
}

/** Writes a BIDS tree of `subjects` small T1w images, 10 to 14 voxels an axis, 1 mm. */
export async function writeSmallDataset(folder: string, subjects: number): Promise<void> {
  for (let s = 1; s <= subjects; s++) {
    const id = `sub-${String(s).padStart(2, "0")}`;
    const size = [10 + s % 5, 12, 14 - s % 3] as const;
    await Deno.mkdir(`${folder}/${id}/anat`, { recursive: true });
    const file = niftiBytes(
      { size, sformCode: 1, sform: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] },
      floatVoxels(blobVoxels(size, s)),
    );
    await Deno.writeFile(`${folder}/${id}/anat/${id}_T1w.nii`, file);
  }
}
