import { toDataError } from "../errors.ts";

/** Largest piece handed out at a time: bounds the memory of decompressing a hostile file. */
const PIECE_BYTES = 1 << 18;

/** True when the file begins with the two magic bytes of gzip, whatever its name says. */
export function isGzip(start: Uint8Array): boolean {
  return start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b;
}

/** Size and first bytes of a regular file, as many as there are up to `count`. @throws {DataError} when it cannot be opened or is no file */
export function readStart(path: string, count: number): { start: Uint8Array; fileBytes: number } {
  try {
    const info = Deno.statSync(path); // before opening: a pipe would wait for a writer
    if (info.isDirectory) throw new Error("a folder");
    if (!info.isFile) throw new Error("something that is not a regular file");
    using file = Deno.openSync(path);
    const start = new Uint8Array(Math.min(count, info.size));
    let length = 0;
    while (length < start.length) {
      const read = file.readSync(start.subarray(length));
      if (read === null) break;
      length += read;
    }
    return { start: start.subarray(0, length), fileBytes: info.size };
  } catch (error) {
    throw toDataError(error, path);
  }
}

/** Compressed bytes to try in turn: a header needs few, and a few bytes of a constant image expand a thousandfold. */
const INFLATE_STEPS = [384, 768, 1536, 4096];

/**
 * The first `count` decompressed bytes of a gzip file, or fewer when the file holds no more.
 *
 * @param start first bytes of the file; 4096 are nearly always enough, and the file is read as a stream where they are not
 * @throws {Error} of the operating system or of zlib, as `filePieces`
 */
export async function inflateStart(path: string, start: Uint8Array, count: number): Promise<Uint8Array> {
  const { constants, gunzipSync } = await import("node:zlib");
  for (const step of INFLATE_STEPS) {
    try {
      const part = gunzipSync(start.subarray(0, step), { finishFlush: constants.Z_SYNC_FLUSH });
      if (part.length >= count) return part.subarray(0, count);
    } catch {
      break; // damaged, or cut where zlib minds it: the stream says which
    }
    if (step >= start.length) break;
  }
  const head = new Uint8Array(count);
  let length = 0;
  for await (const piece of filePieces(path, true)) {
    const part = piece.subarray(0, count - length);
    head.set(part, length);
    length += part.length;
    if (length === count) break;
  }
  return head.subarray(0, length);
}

/**
 * Content of a file from byte `from` on in pieces of at most 256 KiB, decompressed when `gzip` is true (several gzip members in a row are one content).
 * Nothing is read ahead by more than a few pieces, so whoever stops early also bounds memory.
 *
 * @throws {Error} of the operating system or of zlib (codes Z_BUF_ERROR when truncated, Z_DATA_ERROR when damaged)
 */
export async function* filePieces(path: string, gzip: boolean, from = 0): AsyncGenerator<Uint8Array> {
  if (gzip) yield* dropStart(gunzipPieces(path), from);
  else {
    using file = await Deno.open(path);
    await file.seek(from, Deno.SeekMode.Start);
    while (true) {
      const piece = new Uint8Array(PIECE_BYTES);
      const read = await file.read(piece);
      if (read === null) return;
      yield piece.subarray(0, read);
    }
  }
}

/** Pieces without their first `count` bytes. */
async function* dropStart(pieces: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    if (count < piece.length) yield count > 0 ? piece.subarray(count) : piece;
    count = Math.max(count - piece.length, 0);
  }
}

async function* gunzipPieces(path: string): AsyncGenerator<Uint8Array> {
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
