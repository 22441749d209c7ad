import type { StoreVolume } from "./store_index.ts";

/** Ways to weigh images: every image, every modality or every subject equally likely. */
export const balanceNames = ["none", "modality", "subject"] as const;

/** Ways to place a crop: uniform in its range, or centred on a voxel of the anatomy mask. */
export const centreNames = ["uniform", "anatomy"] as const;

/** How training crops are drawn. */
export interface Sampling {
  /**
   * `none`: each image equally likely; `modality`, `subject`: each modality or subject equally likely, and within it each image.
   * Always with replacement.
   */
  readonly balance: typeof balanceNames[number];
  /**
   * `anatomy`: the crop's centre is a voxel drawn uniformly from those inside the anatomy mask, as far as the range of positions allows;
   * a volume without a mask, or with an empty one, is cropped as with `uniform`.
   */
  readonly centre: typeof centreNames[number];
}

/** Uniform over images and positions, as the reference samples. */
export const UNIFORM_SAMPLING: Sampling = { balance: "none", centre: "uniform" };

/**
 * Groups of volumes of which each is drawn equally often, in order of first appearance: a draw takes a group, then a volume of it.
 *
 * @returns indices of volumes, one list for every modality or subject, or one list of all
 */
export function balanceGroups(
  volumes: readonly StoreVolume[],
  balance: Sampling["balance"],
): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  volumes.forEach((volume, index) => {
    const key = balance === "none" ? "" : volume[balance];
    const group = groups.get(key);
    if (group) group.push(index);
    else groups.set(key, [index]);
  });
  return [...groups.values()];
}
