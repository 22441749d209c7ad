import { z } from "./deps.ts";
import { DataError, toDataError } from "./errors.ts";
import { type Dims3, voxelCount } from "./volume.ts";
import { ZarrArray } from "./zarr.ts";

/** Name of the index file of a store. */
export const STORE_FILE = "store.json";
/** Most arrays kept open at a time. */
const MAX_OPEN_ARRAYS = 64;

const dims3 = z.tuple([z.number(), z.number(), z.number()]);

const storeSchema = z.object({
  format: z.literal("spark3d-store"),
  version: z.literal(1),
  collection: z.string(),
  configuration: z.string(),
  dtype: z.enum(["float16", "float32"]),
  orientation: z.string().nullable(),
  volumes: z.array(z.object({
    id: z.string(),
    subject: z.string(),
    modality: z.string(),
    path: z.string(),
    shape: dims3,
    spacing: dims3,
  })),
  rejected: z.array(z.object({ id: z.string(), file: z.string(), reason: z.string() })),
  split: z.object({ train: z.array(z.string()), val: z.array(z.string()) }),
});

/** Content of store.json: what was prepared, what was refused and why, and the split by subject. */
export type StoreIndex = z.infer<typeof storeSchema>;
/** One prepared volume; `path` is relative to the store, `shape` and `spacing` are z, y, x. */
export type StoreVolume = StoreIndex["volumes"][number];
/** One image that could not be used. */
export type RejectedImage = StoreIndex["rejected"][number];
/** Side of the split. */
export type Subset = "train" | "val";

/** A prepared data set on disk, opened for reading boxes. */
export class DatasetStore implements Disposable {
  readonly path: string;
  readonly index: StoreIndex;
  readonly #open = new Map<string, ZarrArray>();

  constructor(path: string, index: StoreIndex) {
    this.path = path;
    this.index = index;
  }

  /** All prepared volumes. */
  get volumes(): readonly StoreVolume[] {
    return this.index.volumes;
  }

  /** Volumes whose subject is on one side of the split, in the order of the index. */
  subset(subset: Subset): readonly StoreVolume[] {
    const subjects = new Set(this.index.split[subset]);
    return this.index.volumes.filter((volume) => subjects.has(volume.subject));
  }

  /**
   * Reads a box of one volume; what lies outside the volume is 0 (the mean, after z-scoring).
   *
   * @param start first voxel along z, y, x; may be negative
   * @returns `[size]`, z-scored float32
   * @throws {DataError} when the array is missing or damaged
   */
  readBox(volume: StoreVolume, start: Dims3, size: Dims3): Float32Array {
    return this.array(volume).readBox(start, size);
  }

  /** Reads a whole volume, `[D, H, W]`. @throws {DataError} as `readBox` */
  readVolume(volume: StoreVolume): Float32Array {
    return this.readBox(volume, [0, 0, 0], volume.shape);
  }

  /** The array of one volume, with its attributes (affine, statistics, source geometry). @throws {DataError} as `readBox` */
  array(volume: StoreVolume): ZarrArray {
    let array = this.#open.get(volume.path);
    if (array) this.#open.delete(volume.path); // moves it to the young end
    else array = ZarrArray.open(`${this.path}/${volume.path}`);
    this.#open.set(volume.path, array);
    if (this.#open.size > MAX_OPEN_ARRAYS) {
      const [oldest, oldArray] = this.#open.entries().next().value!;
      oldArray.close();
      this.#open.delete(oldest);
    }
    return array;
  }

  /** Closes all files; the store opens them again when needed. */
  close(): void {
    for (const array of this.#open.values()) array.close();
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a store made by `prepareDataset`.
 *
 * @param path folder that holds store.json
 * @throws {DataError} when there is none, it is damaged, or it holds no volume
 */
export function openStore(path: string): DatasetStore {
  const file = `${path}/${STORE_FILE}`;
  const index = readStoreIndex(path);
  if (index.volumes.length === 0) {
    const found = `no usable volume (${index.rejected.length} rejected)`;
    throw new DataError({ file, found, wanted: "at least one", remedy: "see its list of rejected images" });
  }
  for (const volume of index.volumes) {
    if (volume.shape.every((size) => Number.isInteger(size) && size > 0) && voxelCount(volume.shape) > 0) {
      continue;
    }
    throw new DataError({
      file,
      found: `shape ${volume.shape}`,
      wanted: "positive sizes",
      remedy: "prepare the data again",
    });
  }
  return new DatasetStore(path, index);
}

/** Reads and checks store.json, which may list no volume at all. @throws {DataError} when it is missing or damaged */
export function readStoreIndex(path: string): StoreIndex {
  const file = `${path}/${STORE_FILE}`;
  const remedy = "prepare the data again";
  let parsed: unknown;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, file);
    throw new DataError({ file, found: "damaged JSON", wanted: "the index of a store", remedy }, {
      cause: error,
    });
  }
  const checked = storeSchema.safeParse(parsed);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new DataError({
    file,
    found: `${issue.path.join(".")}: ${issue.message}`,
    wanted: "the index of a store",
    remedy,
  });
}
