import { builtin } from "./builtin.ts";
import { DataError, toDataError } from "./errors.ts";
import { readStoreIndex, type StoreIndex } from "./store_index.ts";
import type { Dims3 } from "./volume.ts";
import { type ArrayType, CHUNK_PATH, readZarrMetadata, type StoredArray } from "./zarr/mod.ts";

/** One array of a store that is not as the index says. */
export interface StoreProblem {
  /** `missing`: in the index, not on disk; `damaged`: another content than was written; `unlisted`: on disk, not in the index. */
  readonly kind: "missing" | "damaged" | "unlisted";
  /** Path of the array relative to the store. */
  readonly path: string;
  /** What was found and what was wanted. */
  readonly detail: string;
}

/** How far `verifyStore` is; arrays and bytes of the index. */
export interface VerifyProgress {
  readonly done: number;
  readonly total: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** Options of `verifyStore`. */
export interface VerifyOptions {
  /** Called after every array. */
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Stops before the next array with the signal's reason. */
  readonly signal?: AbortSignal;
}

interface ListedArray extends StoredArray {
  readonly path: string;
  readonly shape: Dims3;
  readonly dtype: ArrayType;
}

/** Arrays that are read at the same time, so that a network disk's latency is hidden. */
const PARALLEL_READS = 4;
const PIECE_BYTES = 1 << 22;

/**
 * Reads every array of a store again and compares size, SHA-256, shape and type with the index; looks for arrays that the index does
 * not list.
 *
 * @returns problems in the order of the index, unlisted arrays last, sorted; empty when all is well
 * @throws {DataError} when the index is missing or damaged, or a folder cannot be listed
 */
export async function verifyStore(path: string, options: VerifyOptions = {}): Promise<StoreProblem[]> {
  const index = readStoreIndex(path);
  const arrays = listedArrays(index);
  const bytesTotal = arrays.reduce((sum, { bytes }) => sum + bytes, 0);
  const problems: (StoreProblem | null)[] = new Array(arrays.length).fill(null);
  let next = 0, done = 0, bytesDone = 0;
  const check = async () => {
    for (let at = next++; at < arrays.length; at = next++) {
      options.signal?.throwIfAborted();
      problems[at] = await arrayProblem(path, arrays[at], index);
      bytesDone += arrays[at].bytes;
      options.onProgress?.({ done: ++done, total: arrays.length, bytesDone, bytesTotal });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_READS }, check));
  const unlisted = await unlistedArrays(path, new Set(arrays.map((array) => array.path)));
  return [...problems.filter((problem) => problem !== null), ...unlisted];
}

function listedArrays({ volumes, dtype }: StoreIndex): ListedArray[] {
  return volumes.flatMap(({ path, bytes, sha256, shape, masks }) => [
    { path, bytes, sha256, shape, dtype },
    ...[masks?.anonymization, masks?.anatomy].flatMap((mask) =>
      mask ? [{ ...mask, shape, dtype: "int8" as const }] : []
    ),
  ]);
}

async function arrayProblem(
  store: string,
  { path, shape, dtype, bytes, sha256 }: ListedArray,
  { compression }: StoreIndex,
): Promise<StoreProblem | null> {
  const damaged = (found: string, wanted: string): StoreProblem => ({
    kind: "damaged",
    path,
    detail: `found ${found}, wanted ${wanted}`,
  });
  try {
    const metadata = readZarrMetadata(`${store}/${path}`);
    const describe = (found: { shape: Dims3; dtype: string; compression: string }) =>
      `${found.dtype} ${found.shape.join("x")}, compression ${found.compression}`;
    const found = describe(metadata), wanted = describe({ shape, dtype, compression });
    if (found !== wanted) return damaged(found, wanted);
    const stored = await fileChecksum(`${store}/${path}/${CHUNK_PATH}`);
    if (stored.bytes !== bytes) return damaged(`${stored.bytes} bytes`, `${bytes} bytes`);
    if (stored.sha256 !== sha256) return damaged(`SHA-256 ${stored.sha256}`, sha256);
    return null;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    const kind = error.cause instanceof Deno.errors.NotFound ? "missing" : "damaged";
    return { kind, path, detail: error.message };
  }
}

/** Length and SHA-256 of a file, read in pieces. @throws {DataError} when it cannot be read */
async function fileChecksum(path: string): Promise<StoredArray> {
  try {
    using file = await Deno.open(path);
    const hash = builtin("node:crypto").createHash("sha256"), piece = new Uint8Array(PIECE_BYTES);
    let bytes = 0;
    for (let read = await file.read(piece); read !== null; read = await file.read(piece)) {
      hash.update(piece.subarray(0, read));
      bytes += read;
    }
    return { bytes, sha256: hash.digest("hex") };
  } catch (error) {
    throw toDataError(error, path);
  }
}

async function unlistedArrays(store: string, listed: ReadonlySet<string>): Promise<StoreProblem[]> {
  const found: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for await (const { name, isDirectory } of Deno.readDir(`${store}/${folder}`)) {
        if (!isDirectory) continue;
        const path = folder === "" ? name : `${folder}/${name}`;
        if (!name.endsWith(".zarr")) folders.push(path);
        else if (!listed.has(path)) found.push(path);
      }
    } catch (error) {
      throw toDataError(error, `${store}/${folder}`, "list");
    }
  }
  return found.sort().map((path) => ({
    kind: "unlisted",
    path,
    detail: "found an array that the index does not list: prepare again, or remove it",
  }));
}
