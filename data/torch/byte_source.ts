import { toDataError } from "../errors.ts";

/** Bytes that are read in any order: a file or memory. */
export interface ByteSource extends AsyncDisposable {
  /** Name for messages. */
  readonly name: string;
  readonly bytes: number;
  /**
   * Fills `target` from `offset` on; calls may overlap in time.
   *
   * @returns how much was there; less than `target` only at the end of the source
   */
  read(target: Uint8Array, offset: number): Promise<number>;
}

const CHUNK_BYTES = 16 * 1024 * 1024; // one huge read is slower than pieces of this size

/** A file as a source; reads are queued, for a file has one position. @throws {DataError} if it cannot be opened */
export async function openByteSource(path: string): Promise<ByteSource> {
  let file: Deno.FsFile;
  let bytes: number;
  try {
    file = await Deno.open(path);
    const info = await file.stat();
    if (info.isDirectory) {
      file.close();
      throw new Error("a folder");
    }
    bytes = info.size;
  } catch (error) {
    throw toDataError(error, path);
  }
  let queue: Promise<unknown> = Promise.resolve();
  const readNow = async (target: Uint8Array, offset: number): Promise<number> => {
    try {
      await file.seek(offset, Deno.SeekMode.Start);
      let done = 0;
      while (done < target.length) {
        const count = await file.read(target.subarray(done, done + CHUNK_BYTES));
        if (count === null) break;
        done += count;
      }
      return done;
    } catch (error) {
      throw toDataError(error, path);
    }
  };
  return {
    name: path,
    bytes,
    read(target, offset) {
      const turn = queue.then(() => readNow(target, offset));
      queue = turn.catch(() => {});
      return turn;
    },
    async [Symbol.asyncDispose]() {
      await queue;
      file.close();
    },
  };
}

/** Bytes in memory as a source. */
export function memorySource(content: Uint8Array, name = "memory"): ByteSource {
  return {
    name,
    bytes: content.length,
    read(target, offset) {
      const piece = content.subarray(offset, offset + target.length);
      target.set(piece);
      return Promise.resolve(piece.length);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
