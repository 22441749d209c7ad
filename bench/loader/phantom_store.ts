import { zScore } from "../../data/normalize.ts";
import { generatePhantom } from "../../data/phantom/mod.ts";
import { type StoreVolume, writeStoreIndex } from "../../data/store_index.ts";
import type { Dims3 } from "../../data/volume.ts";
import { type Compression, type StoredType, writeZarrArray } from "../../data/zarr/mod.ts";
import { storeIndex } from "./store_index.ts";

/** Volumes of every phantom: links to one array, so that the loader opens as many files as in a large store. */
const LINKS = 50;

/** A z-scored head. */
export interface HeadImage {
  readonly data: Float32Array;
  readonly shape: Dims3;
}

/** Generates heads of 1 mm on a grid as atlases have, `[D, H, W]`. */
export function headImages(count: number, shape: Dims3): HeadImage[] {
  return Array.from({ length: count }, (_, subject) => {
    const { image } = generatePhantom({ seed: 1, subject, spacing: [1, 1, 1], shape });
    zScore(image.data);
    return { data: image.data, shape };
  });
}

/** Writes heads as a store of `LINKS` volumes each. */
export async function writeHeadStore(
  store: string,
  images: readonly HeadImage[],
  dtype: StoredType,
  compression: Compression,
): Promise<void> {
  const volumes: StoreVolume[] = [];
  for (const [i, { data, shape }] of images.entries()) {
    const stored = await writeZarrArray(`${store}/head${i}.zarr`, data, shape, { dtype, compression });
    for (let link = 0; link < LINKS; link++) {
      const id = `head${i}_${link}`, path = `${id}.zarr`;
      await Deno.symlink(`head${i}.zarr`, `${store}/${path}`);
      volumes.push({ id, subject: `s${i}`, modality: "T1w", path, shape, spacing: [1, 1, 1], ...stored });
    }
  }
  await writeStoreIndex(store, storeIndex(volumes, { collection: "heads", dtype, compression }));
}
