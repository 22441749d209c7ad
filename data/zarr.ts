import { makeFolder, temporaryName } from "./atomic.ts";
import { DataError, toDataError } from "./errors.ts";
import { type Dims3, voxelCount } from "./volume.ts";

/** Stored element type: half or single precision. */
export type StoredType = "float16" | "float32";

const ELEMENT_BYTES: Readonly<Record<StoredType, number>> = { float16: 2, float32: 4 };
const HOST_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Free-form JSON kept beside an array. */
export type ZarrAttributes = Readonly<Record<string, unknown>>;

/**
 * Writes one Zarr v3 array: a single uncompressed little-endian chunk, so that a box can be read with a seek per slice and any Zarr v3
 * reader opens it. The folder is built under a temporary name and renamed; an older array at `path` is replaced.
 *
 * @param data `[D, H, W]` in C order, rounded to nearest for float16
 * @throws {DataError} when the folder cannot be written; nothing half-written stays at `path`
 * Source: Zarr v3 core specification, https://zarr-specs.readthedocs.io/en/latest/v3/core/
 */
export async function writeZarrArray(
  path: string,
  data: Float32Array,
  shape: Dims3,
  dtype: StoredType,
  attributes: ZarrAttributes = {},
): Promise<void> {
  if (data.length !== voxelCount(shape)) {
    throw new RangeError(
      `Cannot write ${path}: shape ${shape.join("x")} does not hold ${data.length} values`,
    );
  }
  const metadata = {
    zarr_format: 3,
    node_type: "array",
    shape,
    data_type: dtype,
    chunk_grid: { name: "regular", configuration: { chunk_shape: shape } },
    chunk_key_encoding: { name: "default", configuration: { separator: "/" } },
    fill_value: 0,
    codecs: [{ name: "bytes", configuration: { endian: "little" } }],
    dimension_names: ["z", "y", "x"],
    attributes,
  };
  const temporary = temporaryName(path);
  try {
    await makeFolder(`${temporary}/c/0/0`);
    await Deno.writeTextFile(`${temporary}/zarr.json`, JSON.stringify(metadata, null, 1) + "\n");
    using file = await Deno.open(`${temporary}/c/0/0/0`, { write: true, createNew: true });
    const bytes = encode(data, dtype);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at, at + (1 << 26)));
    await file.sync();
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw toDataError(error instanceof DataError ? error.cause ?? error : error, path, "write");
  }
}

function encode(data: Float32Array, dtype: StoredType): Uint8Array {
  const typed = dtype === "float16" ? new Float16Array(data) : data;
  const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
  if (HOST_LITTLE_ENDIAN) return bytes;
  const copy = bytes.slice();
  for (let at = 0; at < copy.length; at += ELEMENT_BYTES[dtype]) {
    copy.subarray(at, at + ELEMENT_BYTES[dtype]).reverse();
  }
  return copy;
}

let halfTable: Float32Array | undefined;

/** float32 value of every float16 bit pattern: three times as fast as reading a Float16Array. `[65536]` */
function halfValues(): Float32Array {
  return halfTable ??= Float32Array.from(
    new Float16Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer),
  );
}

interface ZarrMetadata {
  readonly shape: Dims3;
  readonly dtype: StoredType;
  readonly attributes: ZarrAttributes;
}

/** A Zarr array on disk from which boxes are read; `close` it, or open it with `using`. */
export class ZarrArray implements Disposable {
  readonly path: string;
  /** `[D, H, W]`. */
  readonly shape: Dims3;
  readonly dtype: StoredType;
  readonly attributes: ZarrAttributes;
  #file: Deno.FsFile | null;

  private constructor(path: string, metadata: ZarrMetadata, file: Deno.FsFile) {
    this.path = path;
    this.shape = metadata.shape;
    this.dtype = metadata.dtype;
    this.attributes = metadata.attributes;
    this.#file = file;
  }

  /**
   * Opens an array that is one uncompressed little-endian float16 or float32 chunk.
   *
   * @throws {DataError} when it is missing, is another kind of array, or its chunk has the wrong size
   */
  static open(path: string): ZarrArray {
    const metadata = readZarrMetadata(path);
    const chunk = `${path}/c/0/0/0`;
    let file: Deno.FsFile | null = null;
    try {
      file = Deno.openSync(chunk);
      const wanted = voxelCount(metadata.shape) * ELEMENT_BYTES[metadata.dtype];
      const found = file.statSync().size;
      if (found !== wanted) {
        const remedy = "remove the array and prepare it again";
        throw new DataError({ file: chunk, found: `${found} bytes`, wanted: `${wanted} bytes`, remedy });
      }
      return new ZarrArray(path, metadata, file);
    } catch (error) {
      file?.close();
      throw toDataError(error, chunk);
    }
  }

  /**
   * Reads a box; what lies outside the array is 0.
   *
   * @param start first voxel along z, y, x; may be negative
   * @param size voxels along z, y, x
   * @returns `[size]` in C order, float32
   * @throws {DataError} when the file has become shorter or cannot be read
   */
  readBox(start: Dims3, size: Dims3): Float32Array {
    const output = new Float32Array(voxelCount(size));
    const from = start.map((first) => Math.max(first, 0));
    const until = start.map((first, axis) => Math.min(first + size[axis], this.shape[axis]));
    if (from.some((first, axis) => first >= until[axis])) return output;
    const [, h, w] = this.shape;
    const rows = until[1] - from[1], columns = until[2] - from[2];
    const span = (rows - 1) * w + columns; // from the first to the last wanted voxel of a slice
    const bytes = new Uint8Array(span * ELEMENT_BYTES[this.dtype]);
    for (let z = from[0]; z < until[0]; z++) {
      this.#readAt(((z * h + from[1]) * w + from[2]) * ELEMENT_BYTES[this.dtype], bytes);
      const target = ((z - start[0]) * size[1] + from[1] - start[1]) * size[2] + from[2] - start[2];
      this.#decodeRows(bytes, output, target, { rows, columns, inputStep: w, outputStep: size[2] });
    }
    return output;
  }

  #decodeRows(
    bytes: Uint8Array<ArrayBuffer>,
    output: Float32Array,
    target: number,
    { rows, columns, inputStep, outputStep }: {
      rows: number;
      columns: number;
      inputStep: number;
      outputStep: number;
    },
  ): void {
    if (!HOST_LITTLE_ENDIAN) {
      const step = ELEMENT_BYTES[this.dtype];
      for (let at = 0; at < bytes.length; at += step) bytes.subarray(at, at + step).reverse();
    }
    if (this.dtype === "float32") {
      const values = new Float32Array(bytes.buffer);
      for (let row = 0; row < rows; row++) {
        output.set(values.subarray(row * inputStep, row * inputStep + columns), target + row * outputStep);
      }
      return;
    }
    const bits = new Uint16Array(bytes.buffer), table = halfValues();
    for (let row = 0; row < rows; row++) {
      const from = row * inputStep, to = target + row * outputStep;
      for (let column = 0; column < columns; column++) output[to + column] = table[bits[from + column]];
    }
  }

  #readAt(position: number, bytes: Uint8Array): void {
    const file = this.#file;
    if (!file) throw new Error(`Cannot read ${this.path}: the array was closed`);
    try {
      file.seekSync(position, Deno.SeekMode.Start);
      for (let at = 0; at < bytes.length;) {
        const read = file.readSync(bytes.subarray(at));
        if (read === null) throw new Error(`the file ends ${bytes.length - at} bytes early`);
        at += read;
      }
    } catch (error) {
      throw toDataError(error, this.path);
    }
  }

  /** Closes the file; a second call does nothing. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Shape, type and attributes of an array written by `writeZarrArray`. @throws {DataError} for any other kind of array */
export function readZarrMetadata(path: string): ZarrMetadata {
  const file = `${path}/zarr.json`;
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, file);
    throw new DataError({
      file,
      found: "damaged JSON",
      wanted: "Zarr metadata",
      remedy: "prepare the data again",
    }, { cause: error });
  }
  const { zarr_format, node_type, shape, data_type, attributes } = parsed;
  const grid = parsed.chunk_grid as { configuration?: { chunk_shape?: unknown } } | undefined;
  const codecs = parsed.codecs as { name?: string; configuration?: { endian?: string } }[] | undefined;
  const oneChunk = JSON.stringify(grid?.configuration?.chunk_shape) === JSON.stringify(shape);
  const plain = codecs?.length === 1 && codecs[0].name === "bytes" &&
    codecs[0].configuration?.endian === "little";
  const sizes = Array.isArray(shape) && shape.length === 3 &&
    shape.every((size) => Number.isInteger(size) && size > 0);
  const known = data_type === "float16" || data_type === "float32";
  if (zarr_format !== 3 || node_type !== "array" || !sizes || !known || !oneChunk || !plain) {
    throw new DataError({
      file,
      found: `another kind of array (${data_type}, shape ${JSON.stringify(shape)}, ${
        codecs?.map((codec) => codec.name).join("+")
      })`,
      wanted: "a 3-D Zarr v3 array of float16 or float32 in one uncompressed little-endian chunk",
      remedy: "prepare the data again",
    });
  }
  return {
    shape: shape as unknown as Dims3,
    dtype: data_type as StoredType,
    attributes: (attributes ?? {}) as ZarrAttributes,
  };
}
