import { writeJsonAtomic } from "../atomic.ts";
import { z } from "../deps.ts";
import { DataError } from "../errors.ts";
import type { Dims3 } from "../volume.ts";
import type { IntensityProperties } from "./plans.ts";
import { readJsonFile } from "./read_json_file.ts";

/** Content of dataset_fingerprint.json, as nnU-Net v2 writes it; array order (z, y, x) of the files. */
export interface LabelledFingerprint {
  /** mm, one a case. */
  readonly spacings: readonly Dims3[];
  /** Voxels after cropping to the non-zero part, one a case. */
  readonly shapes_after_crop: readonly Dims3[];
  /** Foreground intensities by channel index, as text. */
  readonly foreground_intensity_properties_per_channel: Readonly<Record<string, IntensityProperties>>;
  /** Median over the cases of voxels after cropping / voxels before. */
  readonly median_relative_size_after_cropping: number;
}

const triple: z.ZodType<Dims3> = z.tuple([
  z.number().positive(),
  z.number().positive(),
  z.number().positive(),
]);

/** Schema of the statistics of one channel. */
export const intensitySchema: z.ZodType<IntensityProperties> = z.object({
  mean: z.number(),
  median: z.number(),
  std: z.number(),
  min: z.number(),
  max: z.number(),
  percentile_00_5: z.number(),
  percentile_99_5: z.number(),
});

const schema: z.ZodType<LabelledFingerprint> = z.object({
  spacings: z.array(triple).min(1),
  shapes_after_crop: z.array(triple).min(1),
  foreground_intensity_properties_per_channel: z.record(z.string(), intensitySchema),
  median_relative_size_after_cropping: z.number().positive(),
}).refine(
  ({ spacings, shapes_after_crop }) => spacings.length === shapes_after_crop.length,
  "wanted as many shapes_after_crop as spacings",
);

/** Reads dataset_fingerprint.json, ours or nnU-Net's. @throws {DataError} when it is none */
export async function readFingerprint(path: string): Promise<LabelledFingerprint> {
  const parsed = schema.safeParse(await readJsonFile(path));
  if (parsed.success) return parsed.data;
  const { path: where, message } = parsed.error.issues[0];
  throw new DataError({
    file: path,
    found: `${where.join(".") || "the file"}: ${message}`,
    wanted: "a dataset_fingerprint.json of nnU-Net v2",
    remedy: "remove the file: it is made again",
  });
}

/** Writes dataset_fingerprint.json, atomically. @throws {DataError} when the file cannot be written */
export function writeFingerprint(path: string, fingerprint: LabelledFingerprint): Promise<void> {
  return writeJsonAtomic(path, fingerprint);
}
