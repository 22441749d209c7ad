import { builtin } from "../builtin.ts";
import { DataError } from "../errors.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import type { ArrayFile } from "./array_file.ts";
import { elementCopy } from "./elements.ts";
import { chunkGrid, type ZarrMetadata } from "./metadata.ts";
import { parseShardIndex, type ShardIndex, shardIndexBytes } from "./shard.ts";
import { ELEMENT_BYTES } from "./types.ts";

/** Box of an array, half-open, and where its first voxel goes in an output of another size. */
export interface BoxCopy {
  readonly from: Dims3;
  readonly until: Dims3;
  readonly output: Float32Array;
  /** `[D, H, W]` of the output. */
  readonly size: Dims3;
  /** Position in the array of the output's first voxel. */
  readonly start: Dims3;
}

/** Copies a box, which lies within the array and is not empty, into an output. @throws {DataError} for unreadable or damaged files */
export interface ChunkReader {
  copyBox(box: BoxCopy): void;
}

/** Index in the output of a voxel of the array. */
function outputIndex({ start, size }: BoxCopy, z: number, y: number, x: number): number {
  return ((z - start[0]) * size[1] + y - start[1]) * size[2] + x - start[2];
}

/** Sets what a box has of the array to 0. */
export function clearBox(box: BoxCopy): void {
  const { from, until, output } = box;
  for (let z = from[0]; z < until[0]; z++) {
    for (let y = from[1]; y < until[1]; y++) {
      const at = outputIndex(box, z, y, from[2]);
      output.fill(0, at, at + until[2] - from[2]);
    }
  }
}

/** Reads an uncompressed chunk: for every slice one read, from the first to the last wanted voxel. */
export class PlainChunk implements ChunkReader {
  /** @throws {DataError} when the file has another size than the array */
  constructor(readonly file: ArrayFile, readonly metadata: ZarrMetadata) {
    const wanted = voxelCount(metadata.shape) * ELEMENT_BYTES[metadata.dtype];
    if (file.bytes !== wanted) {
      const remedy = "remove the array and prepare it again";
      throw new DataError({
        file: file.path,
        found: `${file.bytes} bytes`,
        wanted: `${wanted} bytes`,
        remedy,
      });
    }
  }

  copyBox(box: BoxCopy): void {
    const { from, until, output, size } = box;
    const { shape: [, h, w], dtype } = this.metadata;
    const rows = until[1] - from[1], columns = until[2] - from[2];
    const bytes = new Uint8Array(((rows - 1) * w + columns) * ELEMENT_BYTES[dtype]);
    const copy = elementCopy(bytes, dtype);
    for (let z = from[0]; z < until[0]; z++) {
      this.file.readAt(((z * h + from[1]) * w + from[2]) * ELEMENT_BYTES[dtype], bytes);
      const target = outputIndex(box, z, from[1], from[2]);
      for (let row = 0; row < rows; row++) copy(row * w, columns, output, target + row * size[2]);
    }
  }
}

/** Reads a shard: only the inner chunks that meet the box are read and decompressed. */
export class Shard implements ChunkReader {
  readonly #index: ShardIndex;
  readonly #grid: Dims3;

  /** @throws {DataError} when the index is damaged */
  constructor(readonly file: ArrayFile, readonly metadata: ZarrMetadata) {
    this.#grid = chunkGrid(metadata.shape, metadata.innerShape);
    const indexBytes = shardIndexBytes(voxelCount(this.#grid));
    if (file.bytes < indexBytes) throw this.#damaged(`${file.bytes} bytes`, `at least ${indexBytes} bytes`);
    const bytes = new Uint8Array(indexBytes);
    file.readAt(file.bytes - indexBytes, bytes);
    const index = parseShardIndex(bytes, file.bytes - indexBytes);
    if (!index) throw this.#damaged("a damaged index at its end", "one with the right checksum");
    this.#index = index;
  }

  #damaged(found: string, wanted: string, cause?: unknown): DataError {
    const remedy = "remove the array and prepare it again";
    return new DataError({ file: this.file.path, found, wanted, remedy }, { cause });
  }

  copyBox(box: BoxCopy): void {
    const inner = this.metadata.innerShape, grid = this.#grid;
    const low = box.from.map((first, axis) => Math.floor(first / inner[axis]));
    const high = box.until.map((end, axis) => Math.ceil(end / inner[axis]));
    for (let z = low[0]; z < high[0]; z++) {
      for (let y = low[1]; y < high[1]; y++) {
        for (let x = low[2]; x < high[2]; x++) {
          this.#copyChunk(box, (z * grid[1] + y) * grid[2] + x, [z * inner[0], y * inner[1], x * inner[2]]);
        }
      }
    }
  }

  /** Copies what one inner chunk, whose first voxel is `origin`, has of the box. Missing chunks are 0, as the output is. */
  #copyChunk(box: BoxCopy, chunk: number, origin: Dims3): void {
    if (this.#index.lengths[chunk] === 0) return;
    const { innerShape: inner, dtype } = this.metadata;
    const copy = elementCopy(this.#unpack(chunk), dtype);
    const from = origin.map((first, axis) => Math.max(first, box.from[axis]));
    const until = origin.map((first, axis) => Math.min(first + inner[axis], box.until[axis]));
    const columns = until[2] - from[2];
    for (let z = from[0]; z < until[0]; z++) {
      for (let y = from[1]; y < until[1]; y++) {
        const at = ((z - origin[0]) * inner[1] + y - origin[1]) * inner[2] + from[2] - origin[2];
        copy(at, columns, box.output, outputIndex(box, z, y, from[2]));
      }
    }
  }

  #unpack(chunk: number): Uint8Array {
    const packed = new Uint8Array(this.#index.lengths[chunk]);
    this.file.readAt(this.#index.offsets[chunk], packed);
    const wanted = voxelCount(this.metadata.innerShape) * ELEMENT_BYTES[this.metadata.dtype];
    let bytes: Uint8Array;
    try {
      bytes = builtin("node:zlib").zstdDecompressSync(packed, { maxOutputLength: wanted });
    } catch (error) {
      throw this.#damaged(`inner chunk ${chunk} damaged`, "zstd data of the array's chunk size", error);
    }
    if (bytes.length !== wanted) {
      throw this.#damaged(`${bytes.length} bytes in inner chunk ${chunk}`, `${wanted} bytes`);
    }
    return bytes.byteOffset % ELEMENT_BYTES[this.metadata.dtype] === 0 ? bytes : bytes.slice();
  }
}
