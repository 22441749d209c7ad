import { builtin } from "../builtin.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import { crc32c } from "./crc32c.ts";
import { type ArrayData, encodeElements } from "./elements.ts";
import { chunkGrid, ZSTD_LEVEL } from "./metadata.ts";
import type { ArrayType } from "./types.ts";

/** Offset and length that stand for an inner chunk of nothing but the fill value. */
const MISSING = 2n ** 64n - 1n;

/**
 * Pieces of a shard file, one after another: the compressed inner chunks in C order, each with a checksum, then the index. Chunks that reach over the edge
 * of the array are filled with 0; a chunk of zeros only is left out.
 *
 * @param data `[D, H, W]`
 * @param inner shape of the inner chunks
 * Source: https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed/index.html
 */
export function* shardPieces(
  data: ArrayData,
  shape: Dims3,
  dtype: ArrayType,
  inner: Dims3,
): Generator<Uint8Array> {
  const grid = chunkGrid(shape, inner);
  const index = new BigUint64Array(2 * voxelCount(grid));
  const Chunk = dtype === "int8" ? Int8Array : dtype === "int16" ? Int16Array : Float32Array;
  const chunk = new Chunk(voxelCount(inner));
  let written = 0, entry = 0;
  for (let z = 0; z < grid[0]; z++) {
    for (let y = 0; y < grid[1]; y++) {
      for (let x = 0; x < grid[2]; x++) {
        gather(data, shape, [z * inner[0], y * inner[1], x * inner[2]], chunk, inner);
        const bytes = encodeElements(chunk, dtype);
        if (bytes.every((byte) => byte === 0)) {
          index[entry++] = MISSING;
          index[entry++] = MISSING;
          continue;
        }
        const { constants, zstdCompressSync } = builtin("node:zlib");
        const packed = zstdCompressSync(bytes, {
          params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
        });
        index[entry++] = BigInt(written);
        index[entry++] = BigInt(packed.length);
        written += packed.length;
        yield packed;
      }
    }
  }
  const bytes = new Uint8Array(index.buffer.byteLength + 4);
  bytes.set(new Uint8Array(index.buffer));
  new DataView(bytes.buffer).setUint32(index.byteLength, crc32c(bytes.subarray(0, index.byteLength)), true);
  yield bytes;
}

/** Copies the box of `inner` voxels that begins at `start` into `chunk`, with 0 beyond the array's edges. */
function gather(data: ArrayData, shape: Dims3, start: Dims3, chunk: ArrayData, inner: Dims3) {
  const [d, h, w] = shape.map((size, axis) => Math.min(inner[axis], size - start[axis]));
  if (d < inner[0] || h < inner[1] || w < inner[2]) chunk.fill(0);
  for (let z = 0; z < d; z++) {
    for (let y = 0; y < h; y++) {
      const from = ((start[0] + z) * shape[1] + start[1] + y) * shape[2] + start[2];
      chunk.set(data.subarray(from, from + w), (z * inner[1] + y) * inner[2]);
    }
  }
}

/** Where the inner chunks of a shard lie, in C order of the chunk grid; length 0 for a chunk that is not stored. */
export interface ShardIndex {
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
}

/** Bytes of the index of `chunks` inner chunks, with its checksum. */
export function shardIndexBytes(chunks: number): number {
  return 16 * chunks + 4;
}

/**
 * Reads the index of a shard.
 *
 * @param bytes the last `shardIndexBytes` of the file; `dataBytes` what lies before them
 * @returns null when the checksum is wrong or an entry points outside the file
 */
export function parseShardIndex(bytes: Uint8Array, dataBytes: number): ShardIndex | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - 4;
  if (crc32c(bytes.subarray(0, end)) !== view.getUint32(end, true)) return null;
  const offsets = new Float64Array(end / 16), lengths = new Float64Array(end / 16);
  for (let chunk = 0; chunk < offsets.length; chunk++) {
    const offset = view.getBigUint64(16 * chunk, true), length = view.getBigUint64(16 * chunk + 8, true);
    if (offset === MISSING && length === MISSING) continue;
    if (length === 0n || offset + length > BigInt(dataBytes)) return null;
    offsets[chunk] = Number(offset);
    lengths[chunk] = Number(length);
  }
  return { offsets, lengths };
}
