import { storeIndex } from "../../bench/loader/store_index.ts";
import { type StoredMask, type StoreVolume, writeStoreIndex } from "../../data/store_index.ts";
import { type Dims3, voxelCount } from "../../data/volume.ts";
import { type Compression, type StoredType, writeZarrArray } from "../../data/zarr/mod.ts";

/** A volume to be made: its values are its index in the list times 1000 plus the number of the voxel. */
export interface SmallVolume {
  readonly subject: string;
  readonly modality?: string;
  readonly shape: Dims3;
  /** Label of every voxel of the anatomy mask; no mask when left out. */
  readonly anatomy?: (z: number, y: number, x: number) => number;
}

/** Writes a store without preparing anything. Validation subjects are named. @returns the volumes as listed */
export async function writeSmallStore(
  store: string,
  list: readonly SmallVolume[],
  options: { val?: readonly string[]; dtype?: StoredType; compression?: Compression } = {},
): Promise<StoreVolume[]> {
  const { val = [], dtype = "float32", compression = "none" } = options;
  const volumes: StoreVolume[] = [];
  for (const [i, { subject, modality = "T1w", shape, anatomy }] of list.entries()) {
    const path = `c/d/${subject}/v${i}.zarr`, mask = `c/d/${subject}/v${i}__anat.zarr`;
    const data = Float32Array.from({ length: voxelCount(shape) }, (_, voxel) => 1000 * i + voxel);
    const stored = await writeZarrArray(`${store}/${path}`, data, shape, { dtype, compression });
    volumes.push({
      id: `v${i}`,
      subject,
      modality,
      path,
      shape,
      spacing: [1, 1, 1],
      ...stored,
      ...(anatomy ? { masks: { anatomy: await writeMask(store, mask, shape, anatomy, compression) } } : {}),
    });
  }
  await writeStoreIndex(store, storeIndex(volumes, { dtype, compression, val }));
  return volumes;
}

async function writeMask(
  store: string,
  path: string,
  shape: Dims3,
  label: NonNullable<SmallVolume["anatomy"]>,
  compression: Compression,
): Promise<StoredMask> {
  const [, h, w] = shape;
  const labels = Int8Array.from(
    { length: voxelCount(shape) },
    (_, voxel) => label(Math.floor(voxel / h / w), Math.floor(voxel / w) % h, voxel % w),
  );
  return { path, ...await writeZarrArray(`${store}/${path}`, labels, shape, { dtype: "int8", compression }) };
}
