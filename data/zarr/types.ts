/** Stored element type of images: half or single precision. */
export type StoredType = "float16" | "float32";

/** Stored element type of label maps: signed bytes, or 16 bits where labels go beyond 127. */
export type LabelType = "int8" | "int16";

/** Stored element type of any array. */
export type ArrayType = StoredType | LabelType;

/** `none`: one plain chunk, read fastest; `zstd`: one shard of compressed inner chunks, a fraction of the disk. */
export type Compression = "none" | "zstd";

/** Free-form JSON kept beside an array. */
export type ZarrAttributes = Readonly<Record<string, unknown>>;

/** What an array's one chunk or shard file holds, for checking it later. */
export interface StoredArray {
  /** Length of the file. */
  readonly bytes: number;
  /** SHA-256 of the file, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<ArrayType, number>> = {
  float16: 2,
  float32: 4,
  int8: 1,
  int16: 2,
};

/** Largest label of a type; the smallest is its negative less one. */
export const LARGEST_LABEL: Readonly<Record<LabelType, number>> = { int8: 127, int16: 32767 };

/** Whether a type is one of label maps. */
export function isLabelType(dtype: ArrayType): dtype is LabelType {
  return dtype === "int8" || dtype === "int16";
}

/** Path of an array's one chunk or shard file, relative to the array: the first cell of the chunk grid under the default encoding. */
export const CHUNK_PATH = "c/0/0/0";
