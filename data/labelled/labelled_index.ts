import { writeFileAtomic } from "../atomic.ts";
import { z } from "../deps.ts";
import { DataError, toDataError } from "../errors.ts";
import type { Dims3 } from "../volume.ts";
import type { StoredArray } from "../zarr/mod.ts";

/** Name of the index file of a labelled store. */
export const LABELLED_FILE = "labelled.json";

/** Version of the index that is written and read. */
const LABELLED_VERSION = 1;

/** An array or file of a labelled store; `path` is relative to the store. */
export interface StoredFile extends StoredArray {
  readonly path: string;
}

/** Foreground class of a labelled store: one label, or the labels of a region. */
export interface StoredClass {
  readonly name: string;
  readonly values: readonly number[];
}

/** One prepared case; shape and spacing (mm) are along the array axes. */
export interface LabelledCase {
  readonly id: string;
  readonly shape: Dims3;
  readonly spacing: Dims3;
  /** float32 arrays, one a channel. */
  readonly channels: readonly StoredFile[];
  /** Label map, int8 or int16, -1 outside the filled non-zero mask. */
  readonly label: StoredFile;
  /** Drawn voxels of every class. */
  readonly locations: StoredFile;
  /** Number of voxels of every class of the index, in its order; 0 for a class that the case lacks. */
  readonly voxels: readonly number[];
  /** Number of drawn voxels of every class, in the same order; with an ignore label one more: of all annotated voxels. */
  readonly drawn: readonly number[];
}

/** Content of labelled.json, the index of a labelled store. */
export interface LabelledIndex {
  readonly format: "spark3d-labelled";
  readonly version: typeof LABELLED_VERSION;
  readonly dataset: string;
  readonly plans: string;
  /** Name of the plan's configuration, and its `data_identifier`. */
  readonly configuration: string;
  readonly dataIdentifier: string;
  readonly channelNames: readonly string[];
  readonly classes: readonly StoredClass[];
  /** Label whose voxels count for nothing; null without. */
  readonly ignore: number | null;
  /** Axis codes that all cases were brought to before transposing; null when the axes of the files were kept. */
  readonly orientation: string | null;
  /** In order of the data set. */
  readonly cases: readonly LabelledCase[];
}

const count = z.int().nonnegative();
const triple = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).readonly();
const file = z.object({ path: z.string().min(1), bytes: count, sha256: z.string().length(64) });
const schema: z.ZodType<LabelledIndex> = z.object({
  format: z.literal("spark3d-labelled"),
  version: z.literal(LABELLED_VERSION),
  dataset: z.string(),
  plans: z.string(),
  configuration: z.string(),
  dataIdentifier: z.string(),
  channelNames: z.array(z.string()).min(1),
  classes: z.array(z.object({ name: z.string(), values: z.array(count).min(1) })).min(1),
  ignore: count.nullable(),
  orientation: z.string().nullable(),
  cases: z.array(z.object({
    id: z.string(),
    shape: triple.refine((shape) => shape.every(Number.isSafeInteger), "wanted whole numbers"),
    spacing: triple,
    channels: z.array(file).min(1),
    label: file,
    locations: file,
    voxels: z.array(count),
    drawn: z.array(count),
  })),
});

/** Text of labelled.json: one line a case, fields in the order of the schema. */
export function labelledIndexText(index: LabelledIndex): string {
  const { cases, ...head } = schema.parse(index);
  const lines = Object.entries(head).map(([key, value]) =>
    ` ${JSON.stringify(key)}: ${JSON.stringify(value)}`
  );
  const list = cases.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
  return `{\n${lines.join(",\n")},\n "cases": [\n${list}\n ]\n}\n`;
}

/** Writes labelled.json atomically. @throws {DataError} when the folder is not writable or the disk is full */
export function writeLabelledIndex(store: string, index: LabelledIndex): Promise<void> {
  return writeFileAtomic(`${store}/${LABELLED_FILE}`, labelledIndexText(index));
}

/** Reads and checks labelled.json. @throws {DataError} when it is missing, damaged or of another version */
export function readLabelledIndex(store: string): LabelledIndex {
  const path = `${store}/${LABELLED_FILE}`;
  const wanted = `the index of a labelled store, version ${LABELLED_VERSION}`;
  const remedy = "prepare the data set again";
  let parsed: unknown;
  try {
    parsed = JSON.parse(Deno.readTextFileSync(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, path);
    throw new DataError({ file: path, found: "damaged JSON", wanted, remedy }, { cause: error });
  }
  const checked = schema.safeParse(parsed);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const found = `${issue.path.join(".") || "an index"}: ${issue.message}`;
  throw new DataError({ file: path, found, wanted, remedy });
}
