/**
 * Layout of the parameters of one augmented training sample: a row of `[N, augmentationLength(C)]`.
 *
 * 0 switches a transform off, so that a row of zeros changes nothing but cuts the centre of the crop.
 */
import { TRANSFORM_AT, TRANSFORM_LENGTH } from "./transform.ts";

/** Numbers that concern a whole sample; the channels follow. The first 13 are those of `affineResample`. */
export const SAMPLE_LENGTH = TRANSFORM_LENGTH;
/** Numbers of one channel. */
export const CHANNEL_LENGTH = 10;

/** Places of what concerns a whole sample. */
export const SAMPLE_AT = {
  ...TRANSFORM_AT,
  /** Standard deviation of the Gaussian noise, one for all channels. */
  noiseSigma: 13,
  /** Two integers below 2^24, exact in f32: the key of the sample's noise. */
  noiseKey: 14,
} as const;

/** Places of what concerns one channel, from its first number. */
export const CHANNEL_AT = {
  /** Standard deviations along D, H, W in voxels; the first tells whether the channel is blurred. */
  blurSigma: 0,
  /** Factor. */
  brightness: 3,
  /** Factor about the mean. */
  contrast: 4,
  /** Size D, H, W of the small image. */
  lowSize: 5,
  /** Exponent for the negated image. */
  gammaInverted: 8,
  /** Exponent. */
  gamma: 9,
} as const;

/** Numbers of one sample with so many image channels. */
export function augmentationLength(channels: number): number {
  return SAMPLE_LENGTH + CHANNEL_LENGTH * channels;
}
