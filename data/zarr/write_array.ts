import { builtin } from "../builtin.ts";
import { makeFolder, temporaryName } from "../atomic.ts";
import { DataError, toDataError } from "../errors.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import { type ArrayData, encodeElements } from "./elements.ts";
import { innerChunkShape, zarrJson } from "./metadata.ts";
import { shardPieces } from "./shard.ts";
import {
  type ArrayType,
  CHUNK_PATH,
  type Compression,
  ELEMENT_BYTES,
  isLabelType,
  type LabelType,
  LARGEST_LABEL,
  type StoredArray,
  type ZarrAttributes,
} from "./types.ts";

/** How an array is stored. */
export interface WriteZarrOptions {
  /** float16 or float32 for images, int8 or int16 for label maps. */
  readonly dtype: ArrayType;
  /** "none" when left out. */
  readonly compression?: Compression;
  /** Kept beside the array; the names `stored` and `positivePerSlice` are taken. */
  readonly attributes?: ZarrAttributes;
}

/** Elements encoded at a time: bounds the memory that writing takes beside the array itself. */
const PIECE_ELEMENTS = 1 << 22;

/**
 * Writes one Zarr v3 array that any Zarr v3 reader opens, in one file beside its `zarr.json`. Uncompressed it is a single chunk, in which
 * a box is found with a seek per slice; with zstd a single shard of compressed inner chunks. The folder is built under a temporary
 * name and renamed; an older array at `path` is replaced. The same data and options give the same bytes.
 *
 * @param data `[D, H, W]` in C order, rounded to nearest for float16
 * @returns size and checksum of the chunk or shard file; both are in the array's attributes too, and for label maps the number of voxels
 * above 0 in every slice
 * @throws {DataError} with action "store" when a label does not fit the type; with action "write" when the folder cannot be written, and then
 * nothing half-written stays at `path`
 * @throws {RangeError} when the shape does not hold the data
 */
export async function writeZarrArray(
  path: string,
  data: ArrayData,
  shape: Dims3,
  { dtype, compression = "none", attributes = {} }: WriteZarrOptions,
): Promise<StoredArray> {
  if (data.length !== voxelCount(shape)) {
    throw new RangeError(
      `Cannot write ${path}: shape ${shape.join("x")} does not hold ${data.length} values`,
    );
  }
  if (isLabelType(dtype)) checkLabels(path, data, dtype);
  const innerShape = compression === "zstd" ? innerChunkShape(shape) : shape;
  const pieces = compression === "zstd"
    ? shardPieces(data, shape, dtype, innerShape)
    : plainPieces(data, dtype);
  const temporary = temporaryName(path);
  try {
    await makeFolder(`${temporary}/c/0/0`);
    const stored = await writePieces(`${temporary}/${CHUNK_PATH}`, pieces);
    const positivePerSlice = isLabelType(dtype) ? countPositive(data, shape) : null;
    const metadata = { shape, dtype, compression, innerShape, attributes, stored, positivePerSlice };
    await writePieces(`${temporary}/zarr.json`, [new TextEncoder().encode(zarrJson(metadata))]);
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await Deno.rename(temporary, path);
    return stored;
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw toDataError(error instanceof DataError ? error.cause ?? error : error, path, "write");
  }
}

function checkLabels(path: string, data: ArrayData, dtype: LabelType): void {
  if (ELEMENT_BYTES[dtype] >= data.BYTES_PER_ELEMENT) return; // whatever they are, they fit
  const largest = LARGEST_LABEL[dtype];
  const wrong = data.findIndex((label) =>
    !(label >= -largest - 1 && label <= largest && Number.isInteger(label))
  );
  if (wrong < 0) return;
  throw new DataError({
    file: path,
    action: "store",
    found: `label ${data[wrong]} at voxel ${wrong}`,
    wanted: `whole labels from ${-largest - 1} to ${largest}`,
    remedy: "renumber the labels of the mask",
  });
}

function countPositive(data: ArrayData, [d, h, w]: Dims3): number[] {
  const counts = new Array<number>(d).fill(0);
  for (let z = 0, i = 0; z < d; z++) {
    for (const end = (z + 1) * h * w; i < end; i++) if (data[i] > 0) counts[z]++;
  }
  return counts;
}

function* plainPieces(data: ArrayData, dtype: ArrayType): Generator<Uint8Array> {
  for (let from = 0; from < data.length; from += PIECE_ELEMENTS) {
    yield encodeElements(data.subarray(from, from + PIECE_ELEMENTS), dtype);
  }
}

/** Writes a new file and flushes it to disk. */
async function writePieces(path: string, pieces: Iterable<Uint8Array>): Promise<StoredArray> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const hash = builtin("node:crypto").createHash("sha256");
  let bytes = 0;
  for (const piece of pieces) {
    hash.update(piece);
    for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
    bytes += piece.length;
  }
  await file.sync();
  return { bytes, sha256: hash.digest("hex") };
}
