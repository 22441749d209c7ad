import { temporaryName } from "./atomic.ts";
import { toDataError } from "./errors.ts";
import {
  headerLength,
  layoutHeader,
  parseHeader,
  type SafetensorsData,
  SafetensorsError,
  type SafetensorsHeader,
  type SafetensorsTensor,
  tensorBytes,
  tensorView,
} from "./safetensors.ts";

/** A tensor to be written: its values, or a function that produces them when their turn comes. */
export interface SafetensorsSource extends Pick<SafetensorsTensor, "dtype" | "shape"> {
  readonly data: SafetensorsData | (() => SafetensorsData | Promise<SafetensorsData>);
}

const CHUNK_BYTES = 64 * 1024 * 1024; // one huge read is several times slower than pieces of this size

/**
 * Writes a safetensors file tensor by tensor, so that only one lazily produced tensor is in memory at a time.
 * The bytes go to a temporary name in the same folder, are flushed to disk and renamed: a reader never sees half a file.
 *
 * @throws {SafetensorsError} if a tensor's data does not match its shape and dtype; the temporary file is removed
 * @throws {DataError} when the folder is not writable or the disk is full
 *
 * @example
 * ```ts ignore
 * await writeSafetensors("latest.safetensors", new Map([["w", { dtype: "F32", shape: [3], data: () => readBack() }]]));
 * ```
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, SafetensorsSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { names, header } = layoutHeader(tensors, metadata, path);
  const temporary = temporaryName(path);
  const file = await Deno.open(temporary, { write: true, createNew: true }).catch((error) => {
    throw toDataError(error, path, "write");
  });
  try {
    await writeAll(file, header, path);
    for (const name of names) {
      const { dtype, shape, data } = tensors.get(name)!;
      const values = typeof data === "function" ? await data() : data;
      await writeAll(file, tensorBytes(name, { dtype, shape }, values, path), path);
    }
    await writing(path, file.sync());
    await writing(path, Deno.rename(temporary, path));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
}

/** Reads and checks only the header of a safetensors file. @throws {SafetensorsError} if the file is damaged @throws {DataError} if it cannot be opened */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  using file = await openToRead(path);
  return await readHeader(file, path);
}

/**
 * Reads tensors from a safetensors file, each into memory of its own.
 *
 * @param names which tensors, default all
 * @throws {SafetensorsError} if the file is damaged or a name is missing
 * @throws {DataError} if it cannot be opened
 */
export async function readSafetensors(
  path: string,
  names?: Iterable<string>,
): Promise<
  { readonly tensors: Map<string, SafetensorsTensor>; readonly metadata: Readonly<Record<string, string>> }
> {
  using file = await openToRead(path);
  const header = await readHeader(file, path);
  const tensors = new Map<string, SafetensorsTensor>();
  for (const name of names ?? header.tensors.keys()) {
    const entry = header.tensors.get(name);
    if (entry === undefined) {
      throw new SafetensorsError(
        `Cannot read tensor "${name}" from ${path}: the file holds ${header.tensors.size} tensors, not this one`,
        path,
      );
    }
    const bytes = new Uint8Array(entry.end - entry.begin);
    await file.seek(header.headerBytes + entry.begin, Deno.SeekMode.Start);
    await readAll(file, bytes, path);
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, data: tensorView(bytes, entry.dtype) });
  }
  return { tensors, metadata: header.metadata };
}

async function readHeader(file: Deno.FsFile, path: string): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  const first = new Uint8Array(Math.min(8, size));
  await readAll(file, first, path);
  const text = new Uint8Array(headerLength(first, size, path));
  await readAll(file, text, path);
  return parseHeader(text, size, path);
}

async function readAll(file: Deno.FsFile, target: Uint8Array, path: string): Promise<void> {
  for (let done = 0; done < target.length;) {
    const count = await file.read(target.subarray(done, done + CHUNK_BYTES));
    if (count === null) {
      throw new SafetensorsError(`Cannot read ${path}: it ended ${target.length - done} bytes early`, path);
    }
    done += count;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await writing(path, file.write(bytes.subarray(done, done + CHUNK_BYTES)));
  }
}

/** Only failures of the disk become errors of the file: what a tensor's producer throws passes unchanged. */
async function writing<T>(path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw toDataError(error, path, "write");
  }
}

async function openToRead(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path);
  } catch (error) {
    throw toDataError(error, path);
  }
}
