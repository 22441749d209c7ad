import { writeFileAtomic } from "./atomic.ts";
import { DataError, toDataError } from "./errors.ts";
import type { Dims3 } from "./volume.ts";
import type { Compression, StoredArray, StoredType } from "./zarr/mod.ts";

/** Name of the index file of a store. */
export const STORE_FILE = "store.json";

/** Version of the index that is written and read. */
export const STORE_VERSION = 2;

/** A label map beside a volume, on the same grid; `path` is relative to the store. */
export interface StoredMask extends StoredArray {
  readonly path: string;
}

/** Masks of a volume. */
export interface StoredMasks {
  /** 1 where the image was made anonymous (defaced), -1 outside the image. */
  readonly anonymization?: StoredMask;
  /** 1 (or a label) inside the anatomy, -1 outside the image. */
  readonly anatomy?: StoredMask;
}

/** One prepared volume; `path` is relative to the store, `shape` and `spacing` (mm) are z, y, x. */
export interface StoreVolume extends StoredArray {
  readonly id: string;
  readonly subject: string;
  readonly modality: string;
  readonly path: string;
  readonly shape: Dims3;
  readonly spacing: Dims3;
  readonly masks?: StoredMasks;
}

/** One image that could not be used. */
export interface RejectedImage {
  readonly id: string;
  readonly file: string;
  readonly reason: string;
}

/** Content of store.json: what was prepared, what was refused and why, and the split by subject. */
export interface StoreIndex {
  readonly format: "spark3d-store";
  readonly version: typeof STORE_VERSION;
  readonly collection: string;
  readonly configuration: string;
  /** Element type of the images; masks are int8. */
  readonly dtype: StoredType;
  readonly compression: Compression;
  /** Axis codes that all volumes were brought to; null when each keeps its own. */
  readonly orientation: string | null;
  readonly volumes: readonly StoreVolume[];
  readonly rejected: readonly RejectedImage[];
  readonly split: { readonly train: readonly string[]; readonly val: readonly string[] };
}

/**
 * Writes store.json atomically: indented like every other file, but with one line for a volume, a rejected image or a subject, so that
 * 100,000 volumes take 40 MB and a difference of two indexes is readable.
 *
 * @throws {DataError} when the folder is not writable or the disk is full
 */
export function writeStoreIndex(path: string, index: StoreIndex): Promise<void> {
  const { volumes, rejected, split, ...head } = index;
  const list = (items: readonly unknown[], indent: string) =>
    items.length === 0
      ? "[]"
      : `[\n${items.map((item) => `${indent} ${JSON.stringify(item)}`).join(",\n")}\n${indent}]`;
  const text = [
    ...Object.entries(head).map(([key, value]) => ` ${JSON.stringify(key)}: ${JSON.stringify(value)}`),
    ` "volumes": ${list(volumes, " ")}`,
    ` "rejected": ${list(rejected, " ")}`,
    ` "split": {\n  "train": ${list(split.train, "  ")},\n  "val": ${list(split.val, "  ")}\n }`,
  ].join(",\n");
  return writeFileAtomic(`${path}/${STORE_FILE}`, `{\n${text}\n}\n`);
}

/** Reads and checks store.json, which may list no volume at all. @throws {DataError} when it is missing, damaged or of another version */
export function readStoreIndex(path: string): StoreIndex {
  const file = `${path}/${STORE_FILE}`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(file));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, file);
    throw new DataError({
      file,
      found: "damaged JSON",
      wanted: "the index of a store",
      remedy: "prepare the data again into the same folder, which keeps finished volumes",
    }, { cause: error });
  }
  const fault = indexFault(parsed);
  if (fault === null) return parsed as StoreIndex;
  const old = (parsed as { version?: unknown } | null)?.version === 1;
  throw new DataError({
    file,
    found: old ? "version 1 of the index, without checksums" : fault,
    wanted: `the index of a store, version ${STORE_VERSION}`,
    remedy: old ? "prepare the data again into the same folder" : "prepare the data again",
  });
}

/**
 * The first thing that is wrong with a parsed index, with its place; null when nothing is. Written out because a schema library takes
 * seconds for 100,000 volumes.
 */
function indexFault(value: unknown): string | null {
  if (!isObject(value)) return "no JSON object";
  if (value.format !== "spark3d-store") return wrong("format", value.format);
  if (value.version !== STORE_VERSION) return wrong("version", value.version);
  for (const key of ["collection", "configuration"]) {
    if (typeof value[key] !== "string") return wrong(key, value[key]);
  }
  if (value.dtype !== "float16" && value.dtype !== "float32") return wrong("dtype", value.dtype);
  if (value.compression !== "none" && value.compression !== "zstd") {
    return wrong("compression", value.compression);
  }
  if (value.orientation !== null && typeof value.orientation !== "string") {
    return wrong("orientation", value.orientation);
  }
  const { split } = value;
  if (!isObject(split)) return wrong("split", split);
  return listFault("volumes", value.volumes, volumeFault) ??
    listFault("rejected", value.rejected, rejectedFault) ??
    listFault("split.train", split.train, stringFault) ?? listFault("split.val", split.val, stringFault);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function wrong(place: string, value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return `${place}: ${text.length > 60 ? `${text.slice(0, 60)}...` : text}`;
}

function listFault(
  place: string,
  list: unknown,
  fault: (place: string, item: unknown) => string | null,
): string | null {
  if (!Array.isArray(list)) return wrong(place, list);
  for (let i = 0; i < list.length; i++) {
    const found = fault("", list[i]); // its place is spelt out only when it is wrong
    if (found !== null) return fault(`${place}[${i}]`, list[i]);
  }
  return null;
}

function stringFault(place: string, item: unknown): string | null {
  return typeof item === "string" ? null : wrong(place, item);
}

function rejectedFault(place: string, item: unknown): string | null {
  if (!isObject(item)) return wrong(place, item);
  for (const key of ["id", "file", "reason"]) {
    if (typeof item[key] !== "string") return wrong(`${place}.${key}`, item[key]);
  }
  return null;
}

function volumeFault(place: string, item: unknown): string | null {
  if (!isObject(item)) return wrong(place, item);
  for (const key of ["id", "subject", "modality"]) {
    if (typeof item[key] !== "string") return wrong(`${place}.${key}`, item[key]);
  }
  if (!isTriple(item.shape) || !item.shape.every(Number.isSafeInteger)) {
    return wrong(`${place}.shape`, item.shape);
  }
  if (!isTriple(item.spacing)) return wrong(`${place}.spacing`, item.spacing);
  const fault = storedFault(place, item);
  if (fault !== null || item.masks === undefined) return fault;
  const { masks } = item;
  if (!isObject(masks)) return wrong(`${place}.masks`, masks);
  for (const key of ["anonymization", "anatomy"]) {
    const found = masks[key] === undefined ? null : storedFault(`${place}.masks.${key}`, masks[key]);
    if (found !== null) return found;
  }
  return null;
}

function isTriple(value: unknown): value is number[] {
  return Array.isArray(value) && value.length === 3 && value[0] > 0 && value[1] > 0 && value[2] > 0;
}

function storedFault(place: string, item: unknown): string | null {
  if (!isObject(item)) return wrong(place, item);
  if (typeof item.path !== "string" || item.path === "") return wrong(`${place}.path`, item.path);
  if (!Number.isSafeInteger(item.bytes)) return wrong(`${place}.bytes`, item.bytes);
  return typeof item.sha256 === "string" ? null : wrong(`${place}.sha256`, item.sha256);
}
