import { toDataError } from "./errors.ts";

/** Largest piece handed out at a time: bounds the memory of decompressing a hostile file. */
const PIECE_BYTES = 1 << 18;

/** True when the file begins with the two magic bytes of gzip, whatever its name says. */
export function isGzip(start: Uint8Array): boolean {
  return start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/** First bytes of a file, as many as there are up to `count`. @throws {DataError} when it cannot be opened or is a folder */
export async function readStart(
  path: string,
  count: number,
): Promise<{ start: Uint8Array; fileBytes: number }> {
  try {
    const info = await Deno.stat(path);
    if (info.isDirectory) throw new Error("a folder");
    using file = await Deno.open(path);
    const start = new Uint8Array(Math.min(count, info.size));
    let length = 0;
    while (length < start.length) {
      const read = await file.read(start.subarray(length));
      if (read === null) break;
      length += read;
    }
    return { start: start.subarray(0, length), fileBytes: info.size };
  } catch (error) {
    throw toDataError(error, path);
  }
}

/**
 * Content of a file in pieces of at most 256 KiB, decompressed when `gzip` is true (several gzip members in a row are one content).
 * Nothing is read ahead by more than a few pieces, so whoever stops early also bounds memory.
 *
 * @throws {Error} of the operating system or of zlib (codes Z_BUF_ERROR when truncated, Z_DATA_ERROR when damaged)
 */
export async function* filePieces(path: string, gzip: boolean): AsyncGenerator<Uint8Array> {
  if (!gzip) {
    using file = await Deno.open(path);
    while (true) {
      const piece = new Uint8Array(PIECE_BYTES);
      const read = await file.read(piece);
      if (read === null) return;
      yield piece.subarray(0, read);
    }
  }
  const [{ createGunzip }, { createReadStream }] = await Promise.all([
    import("node:zlib"),
    import("node:fs"),
  ]);
  const source = createReadStream(path, { highWaterMark: 1 << 16 });
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  source.on("error", (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const piece of gunzip) yield piece as Uint8Array;
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
