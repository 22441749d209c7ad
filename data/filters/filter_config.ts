import { z } from "../deps.ts";
import { DataError, toDataError } from "../errors.ts";
import { WEIGHTING_GROUPS } from "./image_facts.ts";
import { FILTER_PRESETS } from "./presets.ts";

const positive = z.number().positive();
const words = z.array(z.string().min(1));

/** Schema of a filter configuration. A rule that is left out does not apply. */
export const filtersSchema = z.strictObject({
  /** bytes; smaller files are left out */
  minFileBytes: positive.optional(),
  /** wants three axes of more than one voxel */
  threeAxes: z.boolean().optional(),
  /** mm; spacing times size along every axis is at least this */
  minFieldOfViewMm: positive.optional(),
  /** mm; the spacing along every axis is below this */
  spacingBelowMm: positive.optional(),
  /** mm; the spacing along every axis is at most this */
  maxSpacingMm: positive.optional(),
  /** modalities to keep, compared without case, such as T1w */
  modalities: words.min(1).optional(),
  /** groups of weightings to keep, see `WEIGHTING_GROUPS` */
  weightings: z.array(z.enum(WEIGHTING_GROUPS)).min(1).optional(),
  /** texts that a weighting must not contain, without case */
  dropWeightings: words.optional(),
  /** texts that a series description must not contain, without case */
  dropSeriesDescriptions: words.optional(),
  /** tesla */
  minFieldStrength: positive.optional(),
  /** scores run from 1 (best) to 5; images of the named modalities, or all, are kept up to the threshold */
  imageQuality: z.strictObject({
    threshold: z.number().min(1).max(5),
    modalities: words.min(1).optional(),
  }).optional(),
  /** leaves out files whose bytes are those of an earlier file */
  dropDuplicates: z.boolean().optional(),
  /** files of several volumes: leave out, take the first volume, or make one image of each */
  fourD: z.enum(["refuse", "first", "split"]).optional(),
});

/** Which images of a collection to keep. */
export type Filters = z.infer<typeof filtersSchema>;

const fileSchema = filtersSchema.extend({ preset: z.string().optional() });

/**
 * Checks a filter configuration; `preset` names one that it changes.
 *
 * @param source the file or option it comes from, for messages
 * @throws {DataError} naming the wrong key
 */
export function parseFilters(value: unknown, source: string): Filters {
  const checked = fileSchema.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    const key = issue.path.join(".") || "the top level";
    throw new DataError({
      file: source,
      found: `${key}: ${issue.message}`,
      wanted: `filters (${Object.keys(filtersSchema.shape).join(", ")}) or a preset`,
      remedy: "correct the file",
    });
  }
  const { preset, ...own } = checked.data;
  return preset === undefined ? own : { ...presetFilters(preset, source), ...own };
}

/**
 * Reads filters: the name of a preset, or a JSON file.
 *
 * @throws {DataError} when there is no such preset or file, or the file is no filter configuration
 */
export async function loadFilters(nameOrFile: string): Promise<Filters> {
  if (Object.hasOwn(FILTER_PRESETS, nameOrFile)) return FILTER_PRESETS[nameOrFile];
  let text: string;
  try {
    text = await Deno.readTextFile(nameOrFile);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) presetFilters(nameOrFile, nameOrFile);
    throw toDataError(error, nameOrFile);
  }
  try {
    return parseFilters(JSON.parse(text), nameOrFile);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const fields = { file: nameOrFile, found: error.message, wanted: "JSON", remedy: "correct the file" };
    throw new DataError(fields, { cause: error });
  }
}

function presetFilters(name: string, source: string): Filters {
  if (Object.hasOwn(FILTER_PRESETS, name)) return FILTER_PRESETS[name];
  throw new DataError({
    file: source,
    found: `no preset and no file of that name (${name})`,
    wanted: `one of ${Object.keys(FILTER_PRESETS).join(", ")}, or a JSON file of filters`,
    remedy: "check the name",
  });
}
