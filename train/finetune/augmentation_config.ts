import { getPatchSize } from "../../data/sampler.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { z } from "../deps.ts";

/** A first axis so many times shorter than the longest is one of thick slices, which are turned in plane only. */
const ANISOTROPY = 3;

const share = z.number().min(0).max(1);
const range = (low: number, high: number, smallest: number) =>
  z.tuple([z.number().min(smallest), z.number().min(smallest)]).default([low, high])
    .refine(([from, to]) => from <= to, "wanted the smaller number first");
const factor = (low: number, high: number) =>
  range(low, high, 0.01).describe("with probability 0.5 from the part below 1, otherwise above");

/**
 * Augmentation of fine-tuning: every probability and range, with the defaults of nnU-Net.
 *
 * Source: nnU-Net v2 `nnUNetTrainer.get_training_transforms`, batchgeneratorsv2.
 */
export const finetuneAugmentationSchema = z.strictObject({
  enabled: z.boolean().default(true).describe("false: patches are cut out and nothing else"),
  rotation: z.strictObject({
    probability: share.default(0.2),
    degrees: z.number().min(0).max(180).default(30).describe("largest angle about each axis"),
    inPlaneDegrees: z.number().min(0).max(180).default(180)
      .describe("largest angle in the plane of thick slices, which are turned in no other way"),
  }).prefault({}),
  scaling: z.strictObject({
    probability: share.default(0.2),
    factor: factor(0.7, 1.4).describe("coordinates are multiplied by it, one for all axes"),
  }).prefault({}),
  noise: z.strictObject({
    probability: share.default(0.1),
    sigma: range(0, 0.1, 0).describe("standard deviation, one for all channels"),
  }).prefault({}),
  blur: z.strictObject({
    probability: share.default(0.2),
    channelProbability: share.default(0.5),
    sigma: range(0.5, 1, 0.01).describe("voxels, drawn for each channel and axis"),
  }).prefault({}),
  brightness: z.strictObject({
    probability: share.default(0.15),
    factor: factor(0.75, 1.25),
  }).prefault({}),
  contrast: z.strictObject({
    probability: share.default(0.15),
    factor: factor(0.75, 1.25),
  }).prefault({}),
  lowResolution: z.strictObject({
    probability: share.default(0.25),
    channelProbability: share.default(0.5),
    scale: z.tuple([z.number().gt(0).max(1), z.number().gt(0).max(1)]).default([0.5, 1])
      .refine(([from, to]) => from <= to, "wanted the smaller number first"),
  }).prefault({}),
  gammaInverted: z.strictObject({
    probability: share.default(0.1),
    exponent: factor(0.7, 1.5),
  }).prefault({}),
  gamma: z.strictObject({
    probability: share.default(0.3),
    exponent: factor(0.7, 1.5),
  }).prefault({}),
  mirrorProbability: share.default(0.5).describe("of each of the axes in mirrorAxes"),
  mirrorAxes: z.array(z.literal([0, 1, 2])).max(3).default([0, 1, 2])
    .describe("axes (0 first, 2 last of the transposed volume) that are mirrored, in prediction too"),
});

/** A complete augmentation configuration. */
export type FinetuneAugmentation = z.infer<typeof finetuneAugmentationSchema>;

/** Whether a patch has so thick slices that they are turned in plane only and never resampled across ("dummy 2D"). */
export function isSliced(patch: Dims3): boolean {
  return Math.max(...patch) / patch[0] > ANISOTROPY;
}

/**
 * Size of the crop that a patch is cut from: enlarged as in nnU-Net when it may be turned or scaled, otherwise the patch.
 *
 * @param patch `[D, H, W]` that the network sees
 */
export function augmentationCropSize(patch: Dims3, config: FinetuneAugmentation): Dims3 {
  const { enabled, rotation, scaling } = config;
  return enabled && (rotation.probability > 0 || scaling.probability > 0) ? getPatchSize(patch) : patch;
}
