import { builtin } from "../builtin.ts";
import { writeFileAtomic } from "../atomic.ts";
import { DataError, toDataError } from "../errors.ts";
import { hashRandom } from "../random.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  headerLength,
  parseHeader,
  SafetensorsError,
} from "../safetensors.ts";
import type { Dims3 } from "../volume.ts";
import type { StoredArray } from "../zarr/mod.ts";
import type { StoredClass } from "./labelled_index.ts";

/** Seed of the draw, as nnU-Net's. */
const SEED = 1234;
/** Most voxels drawn of a class, unless that is less than the share below. */
const MOST_DRAWN = 10000;
const LEAST_SHARE = 0.01;

/** Voxels of every class of a label map. */
export interface ClassLocations {
  /** Number of voxels of every class. */
  readonly voxels: readonly number[];
  /** Drawn voxels of every class, `[n, 3]` each; with an ignore label one more list: of all other voxels. */
  readonly drawn: readonly Int32Array<ArrayBuffer>[];
}

/**
 * Draws voxels of every class, without replacement: `max(min(10000, n), ceil(n / 100))` of n, in order of the array.
 *
 * With an ignore label, voxels of any other label (0 and -1 too) are drawn as well: crops are placed on what was annotated.
 *
 * @param labels `[D, H, W]`; -1 and 0 belong to no class
 * @throws {RangeError} for a label that neither a class nor `ignore` declares
 * Source: `DefaultPreprocessor._sample_foreground_locations` of nnU-Net v2
 */
export function drawClassLocations(
  labels: Int16Array,
  shape: Dims3,
  classes: readonly StoredClass[],
  ignore: number | null,
): ClassLocations {
  const annotated = ignore === null ? [] : [classes.length];
  const ofLabel = new Map<number, readonly number[]>([[-1, annotated], [0, annotated]]);
  for (const value of classes.flatMap(({ values }) => values)) {
    const members = classes.flatMap(({ values }, index) => (values.includes(value) ? [index] : []));
    ofLabel.set(value, [...members, ...annotated]);
  }
  if (ignore !== null) ofLabel.set(ignore, []);
  const found = new Float64Array(classes.length + annotated.length);
  for (const [label, count] of countLabels(labels)) {
    const members = ofLabel.get(label);
    if (!members) throw new RangeError(`label ${label} in ${count} voxels`);
    for (const member of members) found[member] += count;
  }
  const wanted = Array.from(found, (n) => Math.max(Math.min(MOST_DRAWN, n), Math.ceil(LEAST_SHARE * n)));
  return {
    voxels: [...found].slice(0, classes.length),
    drawn: selectVoxels(labels, shape, ofLabel, found, wanted),
  };
}

function countLabels(labels: Int16Array): Map<number, number> {
  const counts = new Float64Array(1 << 16);
  for (let i = 0; i < labels.length; i++) counts[labels[i] + 32768]++;
  const there = new Map<number, number>();
  counts.forEach((count, at) => count > 0 && there.set(at - 32768, count));
  return there;
}

/** Selection sampling, one pass: a voxel is taken with probability wanted / left. Source: Knuth, TAOCP 2, algorithm 3.4.2 S. */
function selectVoxels(
  labels: Int16Array,
  [, h, w]: Dims3,
  ofLabel: ReadonlyMap<number, readonly number[]>,
  found: Float64Array,
  wanted: readonly number[],
): Int32Array<ArrayBuffer>[] {
  const drawn = wanted.map((n) => new Int32Array(3 * n));
  const taken = new Float64Array(wanted.length), left = found.slice();
  const random = wanted.map((_, index) => hashRandom(SEED, index));
  let label = NaN, members: readonly number[] = [];
  for (let i = 0; i < labels.length; i++) {
    if (labels[i] !== label) [label, members] = [labels[i], ofLabel.get(labels[i])!];
    for (const member of members) {
      const need = wanted[member] - taken[member], from = left[member]--;
      if (need !== from && random[member].uniform() * from >= need) continue;
      drawn[member].set([Math.floor(i / w / h), Math.floor(i / w) % h, i % w], 3 * taken[member]++);
    }
  }
  return drawn;
}

/** Writes drawn voxels: a safetensors file with one tensor `[n, 3]` a list, named by its index. @throws {DataError} as `writeFileAtomic` */
export async function writeClassLocations(
  path: string,
  drawn: readonly Int32Array<ArrayBuffer>[],
): Promise<StoredArray> {
  const tensors = drawn.map((data, index) =>
    [String(index), { dtype: "I32", shape: [data.length / 3, 3], data }] as const
  );
  const bytes = encodeSafetensors(new Map(tensors), {});
  await writeFileAtomic(path, [bytes]);
  return {
    bytes: bytes.length,
    sha256: builtin("node:crypto").createHash("sha256").update(bytes).digest("hex"),
  };
}

/** Reads what `writeClassLocations` wrote. @throws {DataError} when it is missing or damaged */
export function readClassLocations(path: string): readonly Int32Array[] {
  return reading(path, () => {
    const { tensors } = decodeSafetensors(Deno.readFileSync(path), path);
    return Array.from({ length: tensors.size }, (_, index) => {
      const data = tensors.get(String(index))?.data;
      if (data instanceof Int32Array) return data;
      throw new SafetensorsError(`no list ${index}`, path);
    });
  });
}

/** Reads one drawn voxel, along the array axes, without the others. @throws {DataError} as `readClassLocations` */
export function readClassLocation(path: string, list: number, rank: number): Dims3 {
  return reading(path, () => {
    using file = Deno.openSync(path);
    const fileBytes = file.statSync().size;
    const first = readAt(file, path, 0, Math.min(8, fileBytes));
    const header = readAt(file, path, 8, headerLength(first, fileBytes, path));
    const { tensors, headerBytes } = parseHeader(header, fileBytes, path);
    const entry = tensors.get(String(list));
    if (!entry || entry.dtype !== "I32" || entry.begin + 12 * (rank + 1) > entry.end) {
      throw new SafetensorsError(`no voxel ${rank} in list ${list}`, path);
    }
    const [z, y, x] = new Int32Array(readAt(file, path, headerBytes + entry.begin + 12 * rank, 12).buffer);
    return [z, y, x];
  });
}

function readAt(file: Deno.FsFile, path: string, from: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  file.seekSync(from, Deno.SeekMode.Start);
  for (let at = 0; at < length;) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) throw new SafetensorsError(`it ends ${length - at} bytes early`, path);
    at += read;
  }
  return bytes;
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw toDataError(error, path);
    const wanted = "the drawn voxels of every class",
      remedy = "remove the file and prepare the data set again";
    throw new DataError({ file: path, found: "a damaged file", wanted, remedy }, { cause: error });
  }
}
