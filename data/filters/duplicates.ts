import { builtin } from "../builtin.ts";
import { toDataError } from "../errors.ts";

/** A file that may be a copy of another. */
export interface DuplicateCandidate {
  readonly path: string;
  readonly fileBytes: number;
}

/** Bytes read at a time. */
const PIECE = 1 << 20;

/**
 * Finds files whose bytes are those of an earlier file. Only files of equal size are read, each once; a path that is listed
 * twice is a copy of itself.
 *
 * @param sameFile true for two candidates that are one file on purpose, such as two volumes of a 4-D image; they never count
 * @returns index of a copy -> index of the first file with those bytes
 * @throws {DataError} when a file cannot be read
 */
export async function findDuplicates(
  files: readonly DuplicateCandidate[],
  sameFile: (a: number, b: number) => boolean = () => false,
): Promise<Map<number, number>> {
  const copies = new Map<number, number>(), piece = new Uint8Array(PIECE);
  const bySize = Map.groupBy(files.keys(), (index) => files[index].fileBytes);
  for (const group of bySize.values()) {
    if (group.length < 2) continue;
    const first = new Map<string, number>(), hashes = new Map<string, string>();
    for (const index of group) {
      const { path } = files[index];
      let hash = hashes.get(path);
      if (hash === undefined) hashes.set(path, hash = await sha256(path, piece));
      const original = first.get(hash);
      if (original === undefined) first.set(hash, index);
      else if (!sameFile(original, index)) copies.set(index, original);
    }
  }
  return copies;
}

/** Hash of a file, or of all files of a folder (a DICOM series) in the order of their names. */
async function sha256(path: string, piece: Uint8Array): Promise<string> {
  const hash = builtin("node:crypto").createHash("sha256");
  try {
    const names = (await Deno.stat(path)).isDirectory ? fileNames(path) : null;
    for (const name of names?.map((name) => `${path}/${name}`) ?? [path]) {
      using file = await Deno.open(name);
      for (let read = await file.read(piece); read !== null; read = await file.read(piece)) {
        hash.update(piece.subarray(0, read));
      }
    }
  } catch (error) {
    throw toDataError(error, path);
  }
  return hash.digest("hex");
}

function fileNames(folder: string): string[] {
  return [...Deno.readDirSync(folder)].filter(({ isDirectory }) => !isDirectory).map(({ name }) => name)
    .sort();
}
