import { DataError, toDataError } from "../errors.ts";
import type { Dims3 } from "../volume.ts";
import {
  type ArrayType,
  type Compression,
  ELEMENT_BYTES,
  type StoredArray,
  type ZarrAttributes,
} from "./types.ts";

/** What `zarr.json` says of an array written by `writeZarrArray`. */
export interface ZarrMetadata {
  /** `[D, H, W]`. */
  readonly shape: Dims3;
  readonly dtype: ArrayType;
  readonly compression: Compression;
  /** Inner chunk of a shard; the shape itself for a plain chunk. */
  readonly innerShape: Dims3;
  readonly attributes: ZarrAttributes;
  /** Size and checksum of the chunk file as written; null in arrays of earlier versions. */
  readonly stored: StoredArray | null;
  /** Voxels above 0 in every slice of the first axis, `[D]`; null for images. */
  readonly positivePerSlice: readonly number[] | null;
}

/** Level of zstd: on heads of 1 mm, whose lowest bits are noise, level 9 takes 2.5 times as long and saves 1 % of the bytes. */
export const ZSTD_LEVEL = 3;

/**
 * Edge of the inner chunks of a shard; axes that are shorter have one chunk of their own length. A 96^3 crop of a head is unpacked in 7 ms
 * with 32 as with 64: fewer voxels too many, but more chunks.
 */
const INNER_EDGE = 64;

/** Inner chunk of a shard that holds an array of this shape. */
export function innerChunkShape(shape: Dims3): Dims3 {
  return [Math.min(shape[0], INNER_EDGE), Math.min(shape[1], INNER_EDGE), Math.min(shape[2], INNER_EDGE)];
}

/** Number of inner chunks along each axis. */
export function chunkGrid(shape: Dims3, inner: Dims3): Dims3 {
  return [
    Math.ceil(shape[0] / inner[0]),
    Math.ceil(shape[1] / inner[1]),
    Math.ceil(shape[2] / inner[2]),
  ];
}

/**
 * Text of `zarr.json`. Size and checksum of the chunk file (`stored`) and a mask's `positivePerSlice` go into the attributes.
 *
 * Source: Zarr v3 core specification and its codecs bytes, sharding_indexed, zstd, crc32c,
 * https://zarr-specs.readthedocs.io/en/latest/v3/
 */
export function zarrJson(metadata: ZarrMetadata): string {
  const { shape, dtype, compression, innerShape, attributes, stored, positivePerSlice } = metadata;
  const bytes = dtype === "int8" ? { name: "bytes" } : { name: "bytes", configuration: { endian: "little" } };
  const grid = chunkGrid(shape, innerShape);
  const shard = {
    name: "sharding_indexed",
    configuration: {
      chunk_shape: innerShape,
      codecs: [bytes, { name: "zstd", configuration: { level: ZSTD_LEVEL, checksum: true } }],
      index_codecs: [{ name: "bytes", configuration: { endian: "little" } }, { name: "crc32c" }],
      index_location: "end",
    },
  };
  return JSON.stringify(
    {
      zarr_format: 3,
      node_type: "array",
      shape,
      data_type: dtype,
      chunk_grid: {
        name: "regular",
        configuration: { chunk_shape: innerShape.map((size, axis) => size * grid[axis]) },
      },
      chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
      fill_value: 0,
      codecs: compression === "none" ? [bytes] : [shard],
      dimension_names: ["z", "y", "x"],
      attributes: { ...attributes, stored, ...(positivePerSlice ? { positivePerSlice } : {}) },
    },
    null,
    1,
  ) + "\n";
}

interface Codec {
  readonly name?: string;
  readonly configuration?: {
    readonly endian?: string;
    readonly chunk_shape?: unknown;
    readonly codecs?: unknown;
    readonly index_codecs?: unknown;
    readonly index_location?: string;
  };
}

/** Shape, type, kind and attributes of an array written by `writeZarrArray`. @throws {DataError} for any other kind of array */
export function readZarrMetadata(path: string): ZarrMetadata {
  const file = `${path}/zarr.json`;
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(file)) ?? {};
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, file);
    throw new DataError({
      file,
      found: "damaged JSON",
      wanted: "Zarr metadata",
      remedy: "prepare the data again",
    }, { cause: error });
  }
  const { zarr_format, node_type, shape, data_type } = parsed;
  const known = typeof data_type === "string" && Object.hasOwn(ELEMENT_BYTES, data_type);
  const layout = isShape(shape) && known ? chunkLayout(parsed, shape, data_type as ArrayType) : null;
  if (zarr_format !== 3 || node_type !== "array" || !layout) {
    const codecs = Array.isArray(parsed.codecs) ? parsed.codecs as Codec[] : [];
    throw new DataError({
      file,
      found: `another kind of array (${data_type}, shape ${JSON.stringify(shape)}, ${
        codecs.map((codec) => codec?.name).join("+")
      })`,
      wanted: "a 3-D Zarr v3 array of float16, float32, int8 or int16 in one plain chunk or one zstd shard",
      remedy: "prepare the data again",
    });
  }
  const { stored, positivePerSlice, ...attributes } = (parsed.attributes ?? {}) as Record<string, unknown>;
  return {
    shape: shape as Dims3,
    dtype: data_type as ArrayType,
    ...layout,
    attributes,
    stored: isStored(stored) ? stored : null,
    positivePerSlice: isCounts(positivePerSlice, (shape as Dims3)[0]) ? positivePerSlice : null,
  };
}

/** Which of the two kinds an array is; null when it is neither. */
function chunkLayout(
  { chunk_grid, codecs }: Record<string, unknown>,
  shape: Dims3,
  dtype: ArrayType,
): Pick<ZarrMetadata, "compression" | "innerShape"> | null {
  const outer = (chunk_grid as { configuration?: { chunk_shape?: unknown } } | undefined)?.configuration
    ?.chunk_shape;
  if (!isShape(outer) || !Array.isArray(codecs) || codecs.length !== 1) return null;
  const [codec] = codecs as Codec[];
  if (isBytes(codec, dtype)) {
    return sameShape(outer, shape) ? { compression: "none", innerShape: shape } : null;
  }
  const shard = codec?.configuration;
  if (codec?.name !== "sharding_indexed" || !isShape(shard?.chunk_shape)) return null;
  const inner = shard.chunk_shape;
  const [first, second, ...more] = codecList(shard.codecs);
  const [index, checksum, ...others] = codecList(shard.index_codecs);
  const chunks = isBytes(first, dtype) && second?.name === "zstd" && more.length === 0;
  const indexed = isBytes(index, "float32") && checksum?.name === "crc32c" && others.length === 0;
  const atEnd = (shard.index_location ?? "end") === "end";
  const grid = chunkGrid(shape, inner);
  const whole = outer.every((size, axis) => size === inner[axis] * grid[axis]);
  return chunks && indexed && atEnd && whole ? { compression: "zstd", innerShape: inner } : null;
}

function codecList(value: unknown): readonly (Codec | undefined)[] {
  return Array.isArray(value) ? value : [];
}

function isBytes(codec: Codec | undefined, dtype: ArrayType): boolean {
  return codec?.name === "bytes" && (dtype === "int8" || codec.configuration?.endian === "little");
}

function isShape(value: unknown): value is Dims3 {
  return Array.isArray(value) && value.length === 3 &&
    value.every((size) => Number.isSafeInteger(size) && size > 0);
}

function sameShape(a: Dims3, b: Dims3): boolean {
  return a.every((size, axis) => size === b[axis]);
}

function isStored(value: unknown): value is StoredArray {
  const stored = value as Partial<StoredArray> | null | undefined;
  return Number.isSafeInteger(stored?.bytes) && typeof stored?.sha256 === "string";
}

function isCounts(value: unknown, slices: number): value is number[] {
  return Array.isArray(value) && value.length === slices &&
    value.every((count) => Number.isSafeInteger(count) && count >= 0);
}
