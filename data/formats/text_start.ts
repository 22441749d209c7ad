import { DataError } from "../errors.ts";
import { readStart } from "./byte_pieces.ts";

/** Longest text header: those of diffusion files list every gradient. */
const MAX_HEADER_BYTES = 1 << 18;

/**
 * Start of a file as text, up to where `end` matches.
 *
 * @param end what closes the header; its match belongs to the header
 * @returns lines of the header and the number of bytes before the voxels
 * @throws {DataError} when the file cannot be opened or has no such end
 */
export function readTextHeader(
  path: string,
  end: RegExp,
): { lines: string[]; headerBytes: number; fileBytes: number } {
  for (let count = 1 << 12;; count *= 8) {
    const { start, fileBytes } = readStart(path, count);
    const text = new TextDecoder("latin1").decode(start);
    const found = end.exec(text);
    if (found) {
      const headerBytes = found.index + found[0].length;
      return { lines: text.slice(0, headerBytes).split(/\r?\n/), headerBytes, fileBytes };
    }
    if (start.length < count || count >= MAX_HEADER_BYTES) {
      throw new DataError({
        file: path,
        found: `no end of the header in ${start.length} bytes`,
        wanted: "a text header before the voxels",
        remedy: "the file is truncated or damaged: copy it again",
      });
    }
  }
}
