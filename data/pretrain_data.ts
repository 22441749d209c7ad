import { writeJsonAtomic } from "./atomic.ts";
import { z } from "./deps.ts";
import { DataError, toDataError } from "./errors.ts";

const freeForm = z.record(z.string(), z.unknown()).nullable().default(null);
const identifier = z.union([z.string().min(1), z.number()]);

const imageSchema = z.looseObject({
  name: z.string().min(1),
  image_path: z.string().min(1),
  modality: z.string().min(1),
  image_info: freeForm,
  associated_masks: z.looseObject({
    anonymization_mask: z.string().nullable().default(null),
    anatomy_mask: z.string().nullable().default(null),
  }).nullable().default(null),
});

const sessionSchema = z.looseObject({
  session_id: identifier,
  session_info: freeForm,
  images: z.array(imageSchema),
});

const subjectSchema = z.looseObject({
  subject_id: z.string().min(1),
  subject_info: freeForm,
  sessions: z.record(z.string(), sessionSchema),
});

const datasetSchema = z.looseObject({
  dataset_index: identifier,
  name: z.string().nullable().default(null),
  dataset_info: freeForm,
  subjects: z.record(z.string(), subjectSchema),
});

/** Schema of `pretrain_data.json`: collection, data sets, subjects, sessions, images. Unknown keys are kept. */
export const pretrainDataSchema = z.looseObject({
  collection_index: identifier,
  collection_name: z.string().min(1),
  datasets: z.record(z.string(), datasetSchema),
});

/** A pre-training collection: collection -> data sets -> subjects -> sessions -> images. */
export type PretrainData = z.infer<typeof pretrainDataSchema>;
/** One image of a session, an independent one-channel training sample. */
export type PretrainImage = z.infer<typeof imageSchema>;

/** Values of the `$NAME/` path variables, without the dollar sign. */
export type PathVariables = Readonly<Record<string, string | undefined>>;

/** Folders below which paths are stored with a variable, so that the file can move between machines. */
const PATH_ROOTS = ["nnssl_raw", "nnssl_preprocessed"] as const;

/** One image with the ids of everything above it. */
export interface PretrainEntry {
  readonly collection: string;
  readonly dataset: string;
  readonly subject: string;
  readonly session: string;
  readonly image: PretrainImage;
  /** `collection__dataset__subject__session__name`. */
  readonly imageId: string;
  /** `collection__dataset__subject`, the unit of the train/validation split. */
  readonly subjectId: string;
}

/** All images in the order of the file. */
export function pretrainEntries(data: PretrainData): PretrainEntry[] {
  const entries: PretrainEntry[] = [];
  const collection = data.collection_name;
  for (const [dataset, { subjects }] of Object.entries(data.datasets)) {
    for (const [subject, { sessions }] of Object.entries(subjects)) {
      for (const [session, { images }] of Object.entries(sessions)) {
        for (const image of images) {
          const subjectId = `${collection}__${dataset}__${subject}`;
          const imageId = `${subjectId}__${session}__${image.name}`;
          entries.push({ collection, dataset, subject, session, image, imageId, subjectId });
        }
      }
    }
  }
  return entries;
}

/**
 * Replaces a leading `$NAME` by the variable's value (a trailing slash of the value is dropped); other paths stay.
 *
 * @throws {DataError} when the variable has no value
 */
export function expandPath(path: string, variables: PathVariables): string {
  if (!path.startsWith("$")) return path;
  const slash = path.indexOf("/");
  const name = path.slice(1, slash < 0 ? undefined : slash);
  const value = variables[name];
  if (!value) {
    const remedy = `export ${name}=FOLDER`;
    throw new DataError({
      file: path,
      found: `no value for $${name}`,
      wanted: "the folder it stands for",
      remedy,
    });
  }
  return value.replace(/\/+$/, "") + (slash < 0 ? "" : path.slice(slash));
}

/** The inverse of `expandPath` for `$nnssl_raw` and `$nnssl_preprocessed`; paths below neither stay absolute. */
export function contractPath(path: string, variables: PathVariables): string {
  for (const name of PATH_ROOTS) {
    const root = variables[name]?.replace(/\/+$/, "");
    if (root && path.startsWith(`${root}/`)) return `$${name}${path.slice(root.length)}`;
  }
  return path;
}

/** Applies `change` to every image path and mask path; returns a new collection. */
export function mapPaths(data: PretrainData, change: (path: string) => string): PretrainData {
  const copy = structuredClone(data);
  for (const { image } of pretrainEntries(copy)) {
    image.image_path = change(image.image_path);
    const masks = image.associated_masks;
    if (masks?.anonymization_mask) masks.anonymization_mask = change(masks.anonymization_mask);
    if (masks?.anatomy_mask) masks.anatomy_mask = change(masks.anatomy_mask);
  }
  return copy;
}

/**
 * Reads and checks a `pretrain_data.json`; paths come back expanded.
 *
 * @param variables values of path variables; the environment when left out
 * @throws {DataError} naming the wrong key, a missing variable, or two images of one session with the same name
 */
export async function readPretrainData(
  path: string,
  variables: PathVariables = Deno.env.toObject(),
): Promise<PretrainData> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw toDataError(error, path);
    throw new DataError({ file: path, found: error.message, wanted: "JSON", remedy: "correct the file" }, {
      cause: error,
    });
  }
  const checked = pretrainDataSchema.safeParse(parsed);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const key = issue.path.join(".") || "the top level";
    const remedy = "see the format of pretrain_data.json in the documentation";
    throw new DataError({
      file: path,
      found: `${key}: ${issue.message}`,
      wanted: "a pre-training collection",
      remedy,
    });
  }
  const seen = new Set<string>();
  for (const { imageId } of pretrainEntries(checked.data)) {
    if (seen.has(imageId)) {
      throw new DataError({
        file: path,
        found: `two images ${imageId}`,
        wanted: "unique names in a session",
        remedy: "rename one",
      });
    }
    seen.add(imageId);
  }
  return mapPaths(checked.data, (entry) => expandPath(entry, variables));
}

/** Writes a collection as JSON, atomically; paths below the two roots become relative to them. @throws {DataError} */
export async function writePretrainData(
  path: string,
  data: PretrainData,
  variables: PathVariables = Deno.env.toObject(),
): Promise<void> {
  await writeJsonAtomic(path, mapPaths(data, (entry) => contractPath(entry, variables)));
}
