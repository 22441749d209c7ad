import { ArrayCache } from "../array_cache.ts";
import { DataError } from "../errors.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import type { CaseGeometry } from "./case_geometry.ts";
import { readClassLocations } from "./class_locations.ts";
import { LABELLED_FILE, type LabelledCase, type LabelledIndex, readLabelledIndex } from "./labelled_index.ts";

export type { LabelledCase, LabelledIndex, StoredClass, StoredFile } from "./labelled_index.ts";

/** A box of a case. */
export interface LabelledBox {
  /** `[C, ...size]`, 0 outside the case. */
  readonly image: Float32Array<ArrayBuffer>;
  /** `[...size]`, -1 outside the case. */
  readonly label: Float32Array<ArrayBuffer>;
}

/**
 * Reads a box of a case's arrays.
 *
 * @param paths of the case's arrays below the store
 * @param start first voxel along the array axes; may be negative
 * @throws {DataError} when an array is missing or damaged
 */
export function readCaseBox(
  arrays: ArrayCache,
  paths: { readonly channels: readonly string[]; readonly label: string },
  start: Dims3,
  size: Dims3,
): LabelledBox {
  const label = arrays.get(paths.label).readBox(start, size, -1);
  const channels = paths.channels.map((path) => arrays.get(path).readBox(start, size));
  if (channels.length === 1) return { image: channels[0], label };
  const image = new Float32Array(channels.length * voxelCount(size));
  channels.forEach((channel, index) => image.set(channel, index * channel.length));
  return { image, label };
}

/** A labelled store on disk, opened for reading boxes. */
export class LabelledStore implements Disposable {
  readonly #cases: ReadonlyMap<string, LabelledCase>;
  readonly #arrays: ArrayCache;

  constructor(readonly path: string, readonly index: LabelledIndex) {
    this.#cases = new Map(index.cases.map((one) => [one.id, one]));
    this.#arrays = new ArrayCache(path);
  }

  /** What the index says of a case. @throws {DataError} for an unknown id */
  case(id: string): LabelledCase {
    const found = this.#cases.get(id);
    if (found) return found;
    throw new DataError({
      file: `${this.path}/${LABELLED_FILE}`,
      found: `no case ${JSON.stringify(id)}`,
      wanted: `one of its ${this.index.cases.length} cases`,
      remedy: "prepare the data set again, or correct the split",
    });
  }

  /**
   * Reads a box of a case.
   *
   * @param start first voxel along the array axes; may be negative
   * @throws {DataError} when the id is unknown, or an array missing or damaged
   */
  readBox(id: string, start: Dims3, size: Dims3): LabelledBox {
    const { channels, label } = this.case(id);
    return readCaseBox(
      this.#arrays,
      { channels: channels.map(({ path }) => path), label: label.path },
      start,
      size,
    );
  }

  /**
   * Drawn voxels of every class, `[n, 3]` each, indices along the array axes; with an ignore label one more list, of annotated voxels.
   *
   * @throws {DataError} when the id is unknown, or the file missing or damaged
   */
  classLocations(id: string): readonly Int32Array[] {
    return readClassLocations(`${this.path}/${this.case(id).locations.path}`);
  }

  /** What preprocessing did to a case. @throws {DataError} as `readBox` */
  geometry(id: string): CaseGeometry {
    return this.#arrays.get(this.case(id).label.path).attributes.geometry as CaseGeometry;
  }

  /** Closes all files; the store opens them again when needed. */
  close(): void {
    this.#arrays.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Opens a store made by `prepareLabelled`.
 *
 * @param path folder that holds labelled.json
 * @throws {DataError} when there is none, it is damaged or of another version
 */
export function openLabelledStore(path: string): LabelledStore {
  return new LabelledStore(path, readLabelledIndex(path));
}
