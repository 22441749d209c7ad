import { boxSize } from "../crop.ts";
import { DataError } from "../errors.ts";
import { findNonFinite } from "../find_non_finite.ts";
import { readImage } from "../formats/read_image.ts";
import type { ConfigurationPlan, Plans } from "../nnunet/plans.ts";
import { axisTurn, reorient } from "../orientation.ts";
import { type ImageResampler, preprocessArray, type PreprocessedArray } from "../preprocess_array.ts";
import { EmptyShapeError } from "../resample.ts";
import { requireSameGrid } from "../same_grid.ts";
import { checkTarget } from "../target_grid.ts";
import { type Dims3, voxelCount } from "../volume.ts";
import type { CaseGeometry } from "./case_geometry.ts";
import { channelNormalization, imageResampler, resampleOptions } from "./plan_settings.ts";

/** One case and the plan to preprocess it by. */
export interface PreprocessCaseOptions {
  /** Files of the channels, in order of the data set's `channel_names`. */
  readonly images: readonly string[];
  /** File of the label map; none for prediction. */
  readonly label?: string;
  readonly plans: CasePlans;
  readonly configuration: CaseConfiguration;
  /** What resamples the image, `resampleImage` when left out; used for order 3 with order 0 along a separate axis only. */
  readonly resampler?: ImageResampler;
  /** Largest number of bytes of one decompressed file, and of one preprocessed channel as float32; 4 GiB when left out. */
  readonly maxBytes?: number;
}

/** What preprocessing takes of the plans. */
export type CasePlans = Pick<
  Plans,
  "plans_name" | "transpose_forward" | "foreground_intensity_properties_per_channel" | "orientation"
>;

/** What preprocessing takes of a configuration. */
export type CaseConfiguration = Pick<
  ConfigurationPlan,
  | "spacing"
  | "normalization_schemes"
  | "use_mask_for_norm"
  | "resampling_fn_data_kwargs"
  | "resampling_fn_seg_kwargs"
>;

/** A case on the grid and intensity scale of a plan. */
export interface PreprocessedCase {
  /** `[C, D, H, W]`, normalised. */
  readonly image: Float32Array;
  /** `[D, H, W]`, -1 outside the filled non-zero mask. */
  readonly label?: Int16Array;
  readonly shape: Dims3;
  /** mm along the array axes. */
  readonly spacing: Dims3;
  readonly geometry: CaseGeometry;
}

const DEFAULT_MAX_BYTES = 2 ** 32;
/** Labels are stored in 16 bits at most. */
const LARGEST_LABEL = 32767;

/**
 * Reads a case and brings it to a plan: orientation, transposition, crop to non-zero, normalisation of every channel by its scheme,
 * resampling.
 *
 * @throws {DataError} when a file cannot be read, lies on another grid than the first channel, holds NaN or infinite values, or labels
 * that are no integers of 16 bits; when every channel is zero everywhere, or the grid would become too large or vanish; when the plan
 * asks for something that is not there
 * Source: `DefaultPreprocessor.run_case` of nnU-Net v2
 */
export async function preprocessCase(options: PreprocessCaseOptions): Promise<PreprocessedCase> {
  const { images, label, plans, configuration, maxBytes = DEFAULT_MAX_BYTES } = options;
  const normalization = channelNormalization(plans, configuration, images);
  const settings = {
    targetSpacing: configuration.spacing,
    transpose: plans.transpose_forward,
    normalization,
    resampler: imageResampler(configuration.resampling_fn_data_kwargs, options.resampler),
    labelResampling: resampleOptions(configuration.resampling_fn_seg_kwargs),
  };
  const orientation = plans.orientation ?? null;
  const { file, data, shape, spacing } = await readChannels(options, orientation, maxBytes);
  const labels = label === undefined
    ? undefined
    : await readLabels(label, images[0], file, orientation, maxBytes);
  const masks = labels ? { label: labels } : {};
  let result: PreprocessedArray<"label"> | null;
  const refuse = (found: string, cause?: unknown) => {
    const remedy = "remove the case or export it again";
    return new DataError({ file: images[0], found, wanted: "an image with content", remedy }, { cause });
  };
  try {
    result = await preprocessArray<"label">(data, shape, { spacing, ...settings, masks });
  } catch (cause) {
    if (!(cause instanceof EmptyShapeError)) throw cause;
    throw refuse("content thinner than half a target voxel", cause);
  }
  if (!result) throw refuse(`zero in every voxel${images.length > 1 ? " of every channel" : ""}`);
  return {
    image: result.data,
    ...(result.masks?.label ? { label: Int16Array.from(result.masks.label) } : {}),
    shape: result.shape,
    spacing: result.spacing,
    geometry: caseGeometry(file, orientation, plans.transpose_forward, spacing, result),
  };
}

interface Channels {
  /** The first channel as read, without its voxels. */
  readonly file: CaseGeometry["file"];
  /** `[C, ...shape]`, reoriented. */
  readonly data: Float32Array;
  readonly shape: Dims3;
  readonly spacing: Dims3;
}

async function readChannels(
  { images, plans, configuration }: PreprocessCaseOptions,
  orientation: string | null,
  maxBytes: number,
): Promise<Channels> {
  let first: Channels | undefined;
  for (const [channel, path] of images.entries()) {
    const volume = await readImage(path, { maxBytes });
    checkIntensities(path, volume.data, configuration.normalization_schemes[channel]);
    const { shape, spacing, origin, direction, affine, nifti } = volume;
    const file = { shape, spacing, origin, direction, affine, ...(nifti ? { nifti } : {}) };
    if (first) {
      const remedy = "resample the channels of a case onto one grid";
      requireSameGrid(
        { file: path, kind: "a channel", grid: volume },
        { file: images[0], grid: first.file },
        remedy,
      );
    }
    const turned = orientation === null ? volume : reorient(volume, orientation);
    if (!first) {
      checkTarget(path, turned, plans.transpose_forward, configuration.spacing, maxBytes);
      const one = images.length === 1;
      const data = one ? turned.data : new Float32Array(images.length * voxelCount(shape));
      first = { file, data, shape: turned.shape, spacing: turned.spacing };
    }
    if (images.length > 1) first.data.set(turned.data, channel * turned.data.length);
  }
  return first!;
}

function checkIntensities(file: string, data: Float32Array, scheme: string): void {
  const bad = findNonFinite(data);
  if (bad) {
    throw new DataError({
      file,
      found: `${bad.count} NaN or infinite values (the first at voxel ${bad.index})`,
      wanted: "finite intensities",
      remedy: "repair or remove the case",
    });
  }
  const outside = scheme === "RGBTo01Normalization"
    ? data.find((value) => value < 0 || value > 255)
    : undefined;
  if (outside === undefined) return;
  throw new DataError({
    file,
    found: `the intensity ${outside}`,
    wanted: "0 to 255, as the channel is called rgb_to_0_1",
    remedy: "give the channel another name in dataset.json, or rescale it",
  });
}

async function readLabels(
  path: string,
  image: string,
  grid: CaseGeometry["file"],
  orientation: string | null,
  maxBytes: number,
): Promise<Int32Array> {
  const map = await readImage(path, { maxBytes });
  const remedy = "resample the labels onto the image";
  requireSameGrid({ file: path, kind: "a label map", grid: map }, { file: image, grid }, remedy);
  const { data } = orientation === null ? map : reorient(map, orientation);
  const labels = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!(value >= 0 && value <= LARGEST_LABEL && Number.isInteger(value))) {
      const found = `the value ${value} in a label map`, wanted = `integers from 0 to ${LARGEST_LABEL}`;
      throw new DataError({ file: path, found, wanted, remedy: "export it as labels" });
    }
    labels[i] = value;
  }
  return labels;
}

function caseGeometry(
  file: CaseGeometry["file"],
  orientation: string | null,
  transpose: Dims3,
  spacing: Dims3,
  result: PreprocessedArray<"label">,
): CaseGeometry {
  const turn = orientation === null
    ? { from: [0, 1, 2], reversed: [false, false, false] }
    : axisTurn(file.affine, orientation);
  const [a, b, c] = transpose;
  return {
    file,
    orientation,
    transpose,
    fileAxes: [turn.from[a], turn.from[b], turn.from[c]],
    reversed: [turn.reversed[a], turn.reversed[b], turn.reversed[c]],
    shapeBeforeCropping: result.shapeBeforeCropping,
    box: result.box,
    shapeAfterCropping: boxSize(result.box),
    spacingBeforeResampling: [spacing[a], spacing[b], spacing[c]],
    shape: result.shape,
    spacing: result.spacing,
  };
}
