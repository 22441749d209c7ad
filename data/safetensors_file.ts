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
  const temporary = `${path}.${Deno.pid}.tmp`;
  try {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    await writeAll(file, header);
    for (const name of names) {
      const { dtype, shape, data } = tensors.get(name)!;
      const values = typeof data === "function" ? await data() : data;
      await writeAll(file, tensorBytes(name, { dtype, shape }, values, path));
    }
    await file.sync();
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await Deno.rename(temporary, path);
}

/** Reads and checks only the header of a safetensors file. @throws {SafetensorsError} if the file is damaged */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  using file = await Deno.open(path);
  return await readHeader(file, path);
}

/**
 * Reads tensors from a safetensors file, each into memory of its own.
 *
 * @param names which tensors, default all
 * @throws {SafetensorsError} if the file is damaged or a name is missing
 */
export async function readSafetensors(
  path: string,
  names?: Iterable<string>,
): Promise<
  { readonly tensors: Map<string, SafetensorsTensor>; readonly metadata: Readonly<Record<string, string>> }
> {
  using file = await Deno.open(path);
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

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done, done + CHUNK_BYTES));
}
