import { z } from "../deps.ts";
import { DataError } from "../errors.ts";
import { IMAGE_ENDINGS } from "../image_names.ts";
import { type LabelSet, parseLabels } from "./labels.ts";

/** What a dataset.json says. */
export interface DatasetFields {
  /** By channel. */
  readonly channelNames: readonly string[];
  readonly labels: LabelSet;
  /** Ending of image and label files, such as ".nii.gz". */
  readonly fileEnding: string;
  /** Content of dataset.json. */
  readonly description: Readonly<Record<string, unknown>>;
}

/** Images and label map of a case in the explicit file map of a dataset.json. */
export const fileMapSchema = z.record(
  z.string(),
  z.object({ images: z.array(z.string().min(1)), label: z.string().min(1) }),
).refine((map) => Object.keys(map).every((id) => /^[^/\\]+$/.test(id)), "wanted case ids without slashes");

const channelsSchema = z.looseObject({
  channel_names: z.record(z.string(), z.string()).optional(),
  modality: z.record(z.string(), z.string()).optional(),
});

const schema = channelsSchema.extend({
  file_ending: z.literal([...IMAGE_ENDINGS], `wanted one of ${IMAGE_ENDINGS.join(", ")}`),
  numTraining: z.int().optional(),
  overwrite_image_reader_writer: z.literal(
    ["SimpleITKIO", "NibabelIO", "NibabelIOWithReorient", "None"],
    "wanted SimpleITKIO, NibabelIO or NibabelIOWithReorient",
  ).nullable().optional(),
  dataset: fileMapSchema.optional(),
});

/**
 * Names of the channels by their numbers, as a dataset.json gives them: `channel_names`, or `modality`, the old name; empty where it
 * has neither.
 */
export function channelNamesIn(dataset: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const { channel_names, modality } = channelsSchema.safeParse(dataset).data ?? {};
  return channel_names ?? modality ?? {};
}

/**
 * Reads the content of a dataset.json. `modality`, the old name of `channel_names`, is understood.
 *
 * @param file path for messages
 * @throws {DataError} naming the first wrong field
 */
export function parseDescription(content: unknown, file: string): DatasetFields {
  const refuse = (found: string, wanted: string, remedy: string): never => {
    throw new DataError({ file, found, wanted, remedy });
  };
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    return refuse("no JSON object", "the fields of dataset.json", "correct the file");
  }
  const labels = parseLabels(content, file);
  const parsed = schema.safeParse(content);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0];
    const field = path.join("."),
      value: unknown = Object.entries(content).find(([key]) => key === field)?.[1];
    const [, wanted] = /^wanted (.*)$/.exec(message) ?? [];
    if (wanted !== undefined && typeof value !== "object") {
      return refuse(`${field} ${JSON.stringify(value) ?? "missing"}`, wanted, "correct the file");
    }
    return refuse(`${field}: ${message}`, "a dataset.json of nnU-Net v2", "correct the file");
  }
  const { file_ending } = parsed.data;
  const channels = channelNamesIn(parsed.data);
  const keys = Object.keys(channels);
  if (keys.length === 0 || !keys.every((_, i) => String(i) in channels)) {
    const found = keys.length === 0 ? "no channel_names" : `channel_names with the keys ${keys.join(", ")}`;
    return refuse(found, 'names of the channels "0", "1", ...', 'write {"0": "T1"} for one channel');
  }
  return {
    channelNames: keys.map((_, i) => channels[String(i)]),
    labels,
    fileEnding: file_ending,
    description: content as Record<string, unknown>,
  };
}
