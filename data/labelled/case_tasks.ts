import { toDataError } from "../errors.ts";
import { readImageHeader } from "../formats/read_image_header.ts";
import type { LabelledDataset } from "../nnunet/dataset.ts";
import { configurationOf } from "../nnunet/plans.ts";
import { estimateMemory } from "../prepare/estimate_memory.ts";
import { mapConcurrent } from "../prepare/map_concurrent.ts";
import { safeName } from "../store_paths.ts";
import { transposed } from "../volume.ts";
import { LARGEST_LABEL } from "../zarr/types.ts";
import type { CaseSettings, CaseTask } from "./prepare_case.ts";
import type { PrepareLabelledOptions } from "./prepare_labelled.ts";

/** Raised when the meaning of a stored case changes, so that older ones are made again. */
const PREPARATION_VERSION = 1;
/** Files looked at at a time. */
const CONCURRENT_FILES = 16;

/** Settings that all cases of a run share. @throws {DataError} when the plans lack the configuration */
export function caseSettings({ dataset, plans, configuration, out }: PrepareLabelledOptions): CaseSettings {
  const chosen = configurationOf(plans, configuration);
  const { foreground, ignore } = dataset.labels;
  const largest = Math.max(ignore ?? 0, ...foreground.flatMap(({ values }) => values));
  const { plans_name, transpose_forward, orientation = null } = plans;
  const intensities = Object.entries(plans.foreground_intensity_properties_per_channel)
    .filter(([channel]) => chosen.normalization_schemes[Number(channel)] === "CTNormalization"); // no others are used
  const {
    spacing,
    normalization_schemes,
    use_mask_for_norm,
    resampling_fn_data_kwargs,
    resampling_fn_seg_kwargs,
  } = chosen;
  return {
    out,
    plans: {
      plans_name,
      transpose_forward,
      foreground_intensity_properties_per_channel: Object.fromEntries(intensities),
      orientation,
    },
    configuration: {
      spacing,
      normalization_schemes,
      use_mask_for_norm,
      resampling_fn_data_kwargs,
      resampling_fn_seg_kwargs,
    },
    classes: foreground.map(({ name, values }) => ({ name, values })),
    ignore,
    labelType: largest > LARGEST_LABEL.int8 ? "int16" : "int8",
  };
}

/** Turns the cases of a data set into tasks. @throws {DataError} when a file is missing or its header cannot be read */
export function caseTasks(dataset: LabelledDataset, settings: CaseSettings): Promise<CaseTask[]> {
  const paths = casePaths(dataset.cases.map(({ id }) => id));
  return mapConcurrent(dataset.cases, CONCURRENT_FILES, async ({ id, images, label }, index) => ({
    id,
    images,
    label,
    file: images[0],
    path: paths[index],
    stamp: await caseStamp([...images, label], settings),
    memoryBytes: await caseMemory(images, settings),
  }));
}

/** Folder of every case below the store, in characters that any file system takes, different without regard to capitals. */
function casePaths(ids: readonly string[]): string[] {
  const taken = new Set<string>();
  return ids.map((id) => {
    const stem = `cases/${safeName(id)}`;
    let path = stem;
    for (let number = 2; taken.has(path.toLowerCase()); number++) path = `${stem}-${number}`;
    taken.add(path.toLowerCase());
    return path;
  });
}

async function caseMemory(
  images: readonly string[],
  { plans, configuration }: CaseSettings,
): Promise<number> {
  const { shape, spacing, contentBytes } = await readImageHeader(images[0]);
  const order = plans.transpose_forward;
  return estimateMemory({
    contentBytes,
    shape: transposed(shape, order),
    spacing: transposed(spacing, order),
    targetSpacing: configuration.spacing,
    masks: images.length, // further channels and the labels take as much each
  });
}

/** What a stored case was made from: its files with size and time of change, and all settings that shape it. */
async function caseStamp(files: readonly string[], settings: CaseSettings): Promise<string> {
  const { out: _, plans: { plans_name: _name, ...plans }, ...rest } = settings;
  const sources = await Promise.all(files.map(async (path) => {
    const { size, mtime } = await Deno.stat(path).catch((error) => {
      throw toDataError(error, path);
    });
    return [path, size, mtime?.getTime() ?? null];
  }));
  return JSON.stringify({ version: PREPARATION_VERSION, sources, plans, ...rest });
}
