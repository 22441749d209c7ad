import { type Dims3, voxelCount } from "../volume.ts";
import { ArrayFile } from "./array_file.ts";
import { type ChunkReader, clearBox, PlainChunk, Shard } from "./chunk_readers.ts";
import { readZarrMetadata, type ZarrMetadata } from "./metadata.ts";
import {
  type ArrayType,
  CHUNK_PATH,
  type Compression,
  type StoredArray,
  type ZarrAttributes,
} from "./types.ts";

/** A Zarr array on disk from which boxes are read; `close` it, or open it with `using`. */
export class ZarrArray implements Disposable {
  readonly #file: ArrayFile;
  readonly #chunks: ChunkReader;

  private constructor(readonly path: string, readonly metadata: ZarrMetadata) {
    this.#file = new ArrayFile(`${path}/${CHUNK_PATH}`, path);
    try {
      this.#chunks = metadata.compression === "none"
        ? new PlainChunk(this.#file, metadata)
        : new Shard(this.#file, metadata);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /**
   * Opens an array written by `writeZarrArray`: one plain chunk or one zstd shard of float16, float32, int8 or int16.
   *
   * @throws {DataError} when it is missing, is another kind of array, or its file is too short or has a damaged index
   */
  static open(path: string): ZarrArray {
    return new ZarrArray(path, readZarrMetadata(path));
  }

  /** `[D, H, W]`. */
  get shape(): Dims3 {
    return this.metadata.shape;
  }

  get dtype(): ArrayType {
    return this.metadata.dtype;
  }

  get compression(): Compression {
    return this.metadata.compression;
  }

  get attributes(): ZarrAttributes {
    return this.metadata.attributes;
  }

  /** Size and checksum of the chunk file as it was written; null in arrays of earlier versions. */
  get stored(): StoredArray | null {
    return this.metadata.stored;
  }

  /**
   * Reads a box, touching only the slices or inner chunks that it meets.
   *
   * @param start first voxel along z, y, x; may be negative
   * @param size voxels along z, y, x
   * @param outside value of what lies outside the array; 0 when left out
   * @returns `[size]` in C order, float32
   * @throws {DataError} when the file has become shorter, is damaged or cannot be read
   */
  readBox(start: Dims3, size: Dims3, outside = 0): Float32Array<ArrayBuffer> {
    const output = new Float32Array(voxelCount(size));
    if (outside !== 0) output.fill(outside);
    const from = start.map((first) => Math.max(first, 0)) as unknown as Dims3;
    const until = start.map((first, axis) =>
      Math.min(first + size[axis], this.shape[axis])
    ) as unknown as Dims3;
    if (from.every((first, axis) => first < until[axis])) {
      const box = { from, until, output, size, start };
      if (outside !== 0) clearBox(box); // chunks of zeros are not stored
      this.#chunks.copyBox(box);
    }
    return output;
  }

  /** Closes the file; a second call does nothing. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
