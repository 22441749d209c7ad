import type { StoreIndex, StoreVolume } from "../../data/store_index.ts";

/**
 * The index of a store of these volumes, nothing rejected; the defaults are those of a plain float32 collection.
 *
 * @param options.val subjects for validation; all others are for training
 */
export function storeIndex(
  volumes: readonly StoreVolume[],
  { val = [], ...options }: { readonly val?: readonly string[] } & Partial<StoreIndex> = {},
): StoreIndex {
  const subjects = new Set(volumes.map(({ subject }) => subject));
  const held = new Set(val);
  return {
    format: "spark3d-store",
    version: 2,
    collection: "c",
    configuration: "onemmiso",
    dtype: "float32",
    compression: "none",
    orientation: "RAS",
    volumes,
    rejected: [],
    split: { train: [...subjects].filter((subject) => !held.has(subject)), val },
    ...options,
  };
}
