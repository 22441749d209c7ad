import { type Box3, boxSize, cropBox, cropLabels, cropToNonzero, nonzeroBox } from "./crop.ts";
import {
  type ChannelNormalization,
  type IntensityStatistics,
  normalizeChannel,
  Z_SCORE,
} from "./normalize.ts";
import { checkShape, resampledShape, resampleImage, type ResampleOptions } from "./resample.ts";
import { resampleLabels } from "./resample_labels.ts";
import { type Dims3, transposed, voxelCount } from "./volume.ts";

/**
 * Resizes an image as `resampleImage` does: order 3, order 0 along an axis that is resampled separately. May run elsewhere, as on a GPU.
 *
 * @param data `[C, D, H, W]` with `shape` `[D, H, W]`; not changed
 * @returns `[C, ...newShape]`
 */
export type ImageResampler = (
  data: Float32Array,
  shape: Dims3,
  newShape: Dims3,
  spacing: Dims3,
  newSpacing: Dims3,
) => Promise<Float32Array>;

/** Something for each mask of an image that is there: a path, or voxels. */
export interface ImageMasks<T> {
  /** Voxels that anonymisation changed, such as a removed face. */
  readonly anonymization?: T;
  /** Voxels of the anatomy of interest. */
  readonly anatomy?: T;
}

/** Label maps by name. */
export type LabelMaps<Name extends string> = Readonly<Partial<Record<Name, Int32Array>>>;

/** How an array is brought to the grid and intensity scale of training; `Name` are the names of label maps that go along. */
export interface PreprocessArrayOptions<Name extends string = keyof ImageMasks<unknown>> {
  /** mm along the axes of the array, before transposing. */
  readonly spacing: Dims3;
  /** mm along the transposed axes; null keeps the spacing. */
  readonly targetSpacing: Dims3 | null;
  /** Axis of the input for every axis of the output; [0, 1, 2] when left out. */
  readonly transpose?: Dims3;
  /** One a channel; z-scores over all voxels when left out. */
  readonly normalization?: readonly ChannelNormalization[];
  /** Label maps `[D, H, W]` that go along: same crop, -1 where they are 0 outside the filled non-zero mask, resampled by label. */
  readonly masks?: LabelMaps<Name>;
  /** `resampleImage` when left out. */
  readonly resampler?: ImageResampler;
  /** How label maps are resampled; the defaults of `resampleLabels` when left out. */
  readonly labelResampling?: ResampleOptions;
}

/** A preprocessed array; boxes and shapes are along the transposed axes. */
export interface PreprocessedArray<Name extends string = keyof ImageMasks<unknown>> {
  readonly data: Float32Array;
  readonly shape: Dims3;
  readonly spacing: Dims3;
  readonly masks?: LabelMaps<Name>;
  readonly box: Box3;
  readonly shapeBeforeCropping: Dims3;
  readonly shapeAfterCropping: Dims3;
  /** Mean and standard deviation of the first channel before normalisation. */
  readonly statistics: IntensityStatistics;
}

/**
 * Transposes, crops to non-zero, normalises and resamples one image, in this order.
 *
 * @param data `[C, D, H, W]`; every channel is normalised on its own
 * @returns null when every voxel is zero
 * @throws {EmptyShapeError} if an axis would come out without a voxel
 * @throws {RangeError} when `normalization` has another number of channels
 * Source: `DefaultPreprocessor.run_case_npy` of nnU-Net v2; nnssl gives identical results
 */
export async function preprocessArray<Name extends string = keyof ImageMasks<unknown>>(
  data: Float32Array,
  shape: Dims3,
  options: PreprocessArrayOptions<Name>,
): Promise<PreprocessedArray<Name> | null> {
  const order = options.transpose ?? [0, 1, 2];
  const spacing = transposed(options.spacing, order), before = transposed(shape, order);
  const schemes = channelSchemes(data.length / voxelCount(shape), options.normalization);
  const useMask = schemes.some((scheme) => scheme.useMask === true);
  const turned = mapMasks(options.masks, (mask) => transposeAxes(mask, shape, order));
  const crop = cropAlong(transposeAxes(data, shape, order), before, turned, useMask);
  if (!crop) return null;
  const voxels = voxelCount(crop.shape);
  const [statistics] = schemes.map((scheme, channel) =>
    normalizeChannel(crop.data.subarray(channel * voxels, (channel + 1) * voxels), scheme, crop.normalizeIn)
  );
  const target = options.targetSpacing ?? spacing;
  const newShape = resampledShape(crop.shape, spacing, target);
  checkShape(newShape);
  const resample: ImageResampler = options.resampler ??
    ((...image) => Promise.resolve(resampleImage(...image)));
  const resampled = await resample(crop.data, crop.shape, newShape, spacing, target);
  const masks = mapMasks(
    crop.masks,
    (mask) => resampleLabels(mask, crop.shape, newShape, spacing, target, options.labelResampling),
  );
  return {
    data: resampled,
    shape: newShape,
    spacing: target,
    ...(options.masks ? { masks } : {}),
    box: crop.box,
    shapeBeforeCropping: before,
    shapeAfterCropping: crop.shape,
    statistics,
  };
}

function channelSchemes(
  channels: number,
  given: readonly ChannelNormalization[] = new Array(channels).fill(Z_SCORE),
): readonly ChannelNormalization[] {
  if (given.length === channels) return given;
  throw new RangeError(
    `Cannot normalise: found ${given.length} schemes for ${channels} channels, wanted one a channel`,
  );
}

/** Applies a function to the maps that are there; each keeps its name. */
function mapMasks<Name extends string>(
  masks: LabelMaps<Name> | undefined,
  map: (mask: Int32Array) => Int32Array,
): LabelMaps<Name> {
  const there = Object.entries(masks ?? {}) as [Name, Int32Array | undefined][];
  const mapped = there.flatMap(([name, mask]) => mask ? [[name, map(mask)]] : []);
  return Object.fromEntries(mapped);
}

interface Cropped<Name extends string> {
  readonly data: Float32Array;
  readonly shape: Dims3;
  readonly box: Box3;
  readonly masks: LabelMaps<Name>;
  /** Negative where voxels do not count for normalisation; all count when absent. */
  readonly normalizeIn?: Int32Array;
}

/** Crops image and masks; the content's mask is filled only where somebody asks for it. */
function cropAlong<Name extends string>(
  data: Float32Array,
  shape: Dims3,
  masks: LabelMaps<Name>,
  useMask: boolean,
): Cropped<Name> | null {
  if (!useMask && Object.keys(masks).length === 0) {
    const box = nonzeroBox(data, shape);
    return box && { data: cropBox(data, shape, box), shape: boxSize(box), box, masks };
  }
  const crop = cropToNonzero(data, shape);
  if (!crop) return null;
  const cropped = mapMasks(masks, (mask) => cropLabels(mask, shape, crop));
  return { ...crop, masks: cropped, ...(useMask ? { normalizeIn: insideOf(crop.inside, cropped) } : {}) };
}

/** 0 in the filled non-zero mask and where a mask has a label, otherwise -1. */
function insideOf<Name extends string>(content: Uint8Array, masks: LabelMaps<Name>): Int32Array {
  const inside = Int32Array.from(content, (value) => value - 1);
  for (const mask of Object.values<Int32Array | undefined>(masks)) {
    for (let i = 0; mask && i < inside.length; i++) if (mask[i] >= 0) inside[i] = 0;
  }
  return inside;
}

/** Reorders the three spatial axes of `[C, D, H, W]`: output axis a is input axis `order[a]`. The input itself for [0, 1, 2]. */
export function transposeAxes<T extends Float32Array | Int32Array>(data: T, shape: Dims3, order: Dims3): T {
  if (order.every((from, to) => from === to)) return data;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [d, h, w] = order.map((axis) => shape[axis]);
  const [sd, sh, sw] = order.map((axis) => strides[axis]);
  const output = new (data.constructor as new (length: number) => T)(data.length);
  let to = 0;
  for (let channel = 0; channel < data.length; channel += d * h * w) {
    for (let z = 0; z < d; z++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0, from = channel + z * sd + y * sh; x < w; x++, from += sw) output[to++] = data[from];
      }
    }
  }
  return output;
}
