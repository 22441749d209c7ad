/**
 * Zarr v3 arrays of a store: one volume or mask each, in one plain chunk or one zstd shard.
 *
 * @module
 */
export { ZarrArray } from "./array.ts";
export { readZarrMetadata, type ZarrMetadata } from "./metadata.ts";
export { type ArrayData } from "./elements.ts";
export {
  type ArrayType,
  CHUNK_PATH,
  type Compression,
  type LabelType,
  type StoredArray,
  type StoredType,
  type ZarrAttributes,
} from "./types.ts";
export { writeZarrArray, type WriteZarrOptions } from "./write_array.ts";
