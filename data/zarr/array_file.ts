import { toDataError } from "../errors.ts";

/** The one chunk or shard file of an array, read at given positions; `close` it. */
export class ArrayFile {
  /** Length when it was opened. */
  readonly bytes: number;
  #file: Deno.FsFile | null;

  /** @param array path of the array, named in errors. @throws {DataError} when the file is missing or must not be read */
  constructor(readonly path: string, readonly array: string) {
    let file: Deno.FsFile | null = null;
    try {
      file = Deno.openSync(path);
      this.bytes = file.statSync().size;
    } catch (error) {
      file?.close();
      throw toDataError(error, path);
    }
    this.#file = file;
  }

  /** Fills `bytes` from `position` on. @throws {DataError} when the file has become shorter or cannot be read */
  readAt(position: number, bytes: Uint8Array): void {
    const file = this.#file;
    if (!file) throw new Error(`Cannot read ${this.array}: the array was closed`);
    try {
      file.seekSync(position, Deno.SeekMode.Start);
      for (let at = 0; at < bytes.length;) {
        const read = file.readSync(bytes.subarray(at));
        if (read === null) throw new Error(`the file ends ${bytes.length - at} bytes early`);
        at += read;
      }
    } catch (error) {
      throw toDataError(error, this.array);
    }
  }

  /** Closes the file; a second call does nothing. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }
}
