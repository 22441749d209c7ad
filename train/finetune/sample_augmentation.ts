import { hashRandom, type Rng } from "../../data/random.ts";
import {
  augmentationLength,
  CHANNEL_AT,
  CHANNEL_LENGTH,
  SAMPLE_AT,
  SAMPLE_LENGTH,
} from "../../kernels/ops/augment/parameters.ts";
import type { Dims3 } from "../../kernels/spec.ts";
import { rotationMatrix } from "../augmentation.ts";
import { type FinetuneAugmentation, isSliced } from "./augmentation_config.ts";

export { augmentationLength };

/** First key of the random stream of these augmentations. */
const STREAM = 0x66746175;

/** What {@linkcode sampleFinetuneAugmentation} draws from: the same values give the same row on every machine. */
export interface FinetuneAugmentationRequest {
  readonly seed: number;
  readonly step: number;
  /** position of the sample in the batch */
  readonly sample: number;
  /** image channels */
  readonly channels: number;
  /** `[D, H, W]` that the network sees */
  readonly patch: Dims3;
  readonly config: FinetuneAugmentation;
}

/**
 * Draws what happens to one training sample.
 *
 * The number of draws depends on the channels alone, so that changing one probability leaves the other draws as they were. Where the
 * patch has thick slices ({@linkcode isSliced}) the rotation is one angle in their plane, and neither scaling nor low resolution acts
 * across them.
 *
 * @returns `[augmentationLength(channels)]`, a row of the parameters of `augmentPatch`; all 0 when augmentation is switched off
 *
 * @example
 * ```ts
 * import { finetuneAugmentationSchema } from "./augmentation_config.ts";
 * const config = finetuneAugmentationSchema.parse({ rotation: { probability: 1 } });
 * const row = sampleFinetuneAugmentation({ seed: 1, step: 0, sample: 0, channels: 2, patch: [48, 48, 48], config });
 * console.assert(row.length === augmentationLength(2));
 * ```
 * Source: nnU-Net v2 `nnUNetTrainer.get_training_transforms`, batchgeneratorsv2; matrix `Rz Ry Rx S` on column vectors.
 */
export function sampleFinetuneAugmentation(request: FinetuneAugmentationRequest): Float32Array<ArrayBuffer> {
  const { seed, step, sample, channels, patch, config } = request;
  const row = new Float32Array(augmentationLength(channels));
  if (!config.enabled) return row;
  const random = hashRandom(seed, STREAM, step, sample);
  drawSpatial(row, random, patch, config);
  const noisy = fires(random, config.noise.probability);
  const sigma = between(config.noise.sigma, random.uniform());
  if (noisy) row[SAMPLE_AT.noiseSigma] = sigma;
  for (const k of [0, 1]) row[SAMPLE_AT.noiseKey + k] = random.uint32() >>> 8;
  const fired = {
    blur: fires(random, config.blur.probability),
    brightness: fires(random, config.brightness.probability),
    contrast: fires(random, config.contrast.probability),
    lowResolution: fires(random, config.lowResolution.probability),
    gammaInverted: fires(random, config.gammaInverted.probability),
    gamma: fires(random, config.gamma.probability),
  };
  for (let c = 0; c < channels; c++) {
    const at = SAMPLE_LENGTH + c * CHANNEL_LENGTH;
    drawChannel(row.subarray(at, at + CHANNEL_LENGTH), random, patch, config, fired);
  }
  return row;
}

type ChannelTransform = "blur" | "brightness" | "contrast" | "lowResolution" | "gammaInverted" | "gamma";

function drawSpatial(row: Float32Array, random: Rng, patch: Dims3, config: FinetuneAugmentation): void {
  const sliced = isSliced(patch);
  const { rotation, scaling, mirrorAxes, mirrorProbability } = config;
  const rotated = fires(random, rotation.probability);
  const limit = (sliced ? rotation.inPlaneDegrees : rotation.degrees) * Math.PI / 180;
  const drawn = [0, 1, 2].map(() => (2 * random.uniform() - 1) * limit);
  const scaled = fires(random, scaling.probability);
  const zoom = drawFactor(scaling.factor, random);
  // Rz(a) Ry(b) Rx(c) is the transpose of Rx(-c) Ry(-b) Rz(-a); rotation about axis 0 is the one in the plane of slices
  const [a0, a1, a2] = !rotated ? [0, 0, 0] : sliced ? [drawn[0], 0, 0] : drawn;
  const transposed = rotationMatrix(-a0, -a1, -a2);
  for (let axis = 0; axis < 3; axis++) {
    for (let k = 0; k < 3; k++) {
      const factor = scaled && !(sliced && k === 0) ? zoom : 1;
      row[SAMPLE_AT.matrix + 3 * axis + k] = transposed[k][axis] * factor;
    }
  }
  row[SAMPLE_AT.interpolate] = rotated || scaled ? 1 : 0;
  for (const axis of [0, 1, 2] as const) {
    const flipped = fires(random, mirrorProbability);
    if (flipped && mirrorAxes.includes(axis)) row[SAMPLE_AT.mirror + axis] = 1;
  }
}

function drawChannel(
  row: Float32Array,
  random: Rng,
  patch: Dims3,
  config: FinetuneAugmentation,
  fired: Readonly<Record<ChannelTransform, boolean>>,
): void {
  const blurred = fires(random, config.blur.channelProbability);
  const sigmas = [0, 1, 2].map(() => between(config.blur.sigma, random.uniform()));
  if (fired.blur && blurred) row.set(sigmas, CHANNEL_AT.blurSigma);
  const brightness = drawFactor(config.brightness.factor, random);
  if (fired.brightness) row[CHANNEL_AT.brightness] = brightness;
  const contrast = drawFactor(config.contrast.factor, random);
  if (fired.contrast) row[CHANNEL_AT.contrast] = contrast;
  const coarse = fires(random, config.lowResolution.channelProbability);
  const scale = between(config.lowResolution.scale, random.uniform());
  if (fired.lowResolution && coarse) {
    const sliced = isSliced(patch);
    const low = patch.map((extent, axis) =>
      sliced && axis === 0 ? extent : Math.max(1, Math.round(extent * scale))
    );
    row.set(low, CHANNEL_AT.lowSize);
  }
  const inverted = drawFactor(config.gammaInverted.exponent, random);
  if (fired.gammaInverted) row[CHANNEL_AT.gammaInverted] = inverted;
  const gamma = drawFactor(config.gamma.exponent, random);
  if (fired.gamma) row[CHANNEL_AT.gamma] = gamma;
}

function fires(random: Rng, probability: number): boolean {
  return random.uniform() < probability;
}

function between([low, high]: readonly [number, number], u: number): number {
  return low + (high - low) * u;
}

/** With probability 0.5 from the part of the range below 1, otherwise from the part above; all of it when 1 is not inside. */
function drawFactor(range: readonly [number, number], random: Rng): number {
  const below = random.uniform() < 0.5, u = random.uniform();
  const [low, high] = range;
  if (low >= 1 || high <= 1) return between(range, u);
  return below ? between([low, 1], u) : between([1, high], u);
}
