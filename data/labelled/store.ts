import type { Dims3 } from "../volume.ts";
import type { StoredArray } from "../zarr/mod.ts";
import type { CaseGeometry } from "./case_geometry.ts";

/** An array or file of a labelled store; `path` is relative to the store. */
export interface StoredFile extends StoredArray {
  readonly path: string;
}

/** Foreground class of a labelled store: one label, or the labels of a region. */
export interface StoredClass {
  readonly name: string;
  readonly values: readonly number[];
}

/** One prepared case; shape and spacing (mm) are along the array axes. */
export interface LabelledCase {
  readonly id: string;
  readonly shape: Dims3;
  readonly spacing: Dims3;
  /** float32 arrays, one a channel. */
  readonly channels: readonly StoredFile[];
  /** Label map, int8 or int16, -1 outside the filled non-zero mask. */
  readonly label: StoredFile;
  /** Drawn voxels of every class. */
  readonly locations: StoredFile;
  /** Number of voxels of every class of the index, in its order; 0 for a class that the case lacks. */
  readonly voxels: readonly number[];
  /** Number of drawn voxels of every class, in the same order; with an ignore label one more: of all annotated voxels. */
  readonly drawn: readonly number[];
  /** What the case was made from. */
  readonly stamp: string;
}

/** Content of labelled.json, the index of a labelled store. */
export interface LabelledIndex {
  readonly format: "spark3d-labelled";
  readonly version: 1;
  readonly dataset: string;
  /** Name of the plan's configuration, and its `data_identifier`. */
  readonly configuration: string;
  readonly dataIdentifier: string;
  readonly channelNames: readonly string[];
  readonly classes: readonly StoredClass[];
  /** Label whose voxels count for nothing; null without. */
  readonly ignore: number | null;
  readonly orientation: string | null;
  /** In order of id. */
  readonly cases: readonly LabelledCase[];
}

/** A box of a case. */
export interface LabelledBox {
  /** `[C, ...size]`, 0 outside the case. */
  readonly image: Float32Array<ArrayBuffer>;
  /** `[...size]`, -1 outside the case. */
  readonly label: Float32Array<ArrayBuffer>;
}

/** A labelled store on disk, opened for reading boxes. */
export interface LabelledStore extends Disposable {
  readonly path: string;
  readonly index: LabelledIndex;
  /** @throws {DataError} for an unknown id */
  case(id: string): LabelledCase;
  /**
   * Reads a box of a case.
   *
   * @param start first voxel along the array axes; may be negative
   * @throws {DataError} when the id is unknown, or an array missing or damaged
   */
  readBox(id: string, start: Dims3, size: Dims3): LabelledBox;
  /** Drawn voxels of every class, `[n, 3]` each, index along the array axes; with an ignore label the annotated ones come last. */
  classLocations(id: string): readonly Int32Array[];
  /** What preprocessing did to the case. */
  geometry(id: string): CaseGeometry;
}

/**
 * Opens a store made by `prepareLabelled`.
 *
 * @throws {DataError} when there is none, it is damaged or of another version
 */
export function openLabelledStore(_path: string): LabelledStore {
  throw new Error("Cannot open a labelled store: in work");
}
