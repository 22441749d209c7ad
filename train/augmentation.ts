import { hashRandom } from "../data/random.ts";
import { TRANSFORM_AT, TRANSFORM_LENGTH } from "../kernels/ops/augment/transform.ts";
import type { RunConfig } from "./config.ts";

/** First key of the random stream of augmentations. */
const STREAM = 0x61756730;

/** What {@linkcode sampleAugmentation} draws from: the same values give the same transform on every machine. */
export interface AugmentationRequest {
  readonly seed: number;
  readonly step: number;
  /** position of the sample in the batch */
  readonly sample: number;
  readonly config: RunConfig["augmentation"];
}

/**
 * Draws the spatial augmentation of one training sample.
 *
 * Rotation with probability `rotationProbability`: three angles from U(-rotationDegrees, rotationDegrees). Scaling with
 * probability `scaleProbability`: one factor for all axes, with probability 0.5 from U(scale[0], 1), otherwise from U(1, scale[1])
 * (a range on one side of 1 is used whole). Every axis is mirrored with probability 0.5 when `mirror` is set. The
 * number of draws is always the same, so that changing one probability leaves the other draws as they were.
 *
 * @returns `[16]`, a row of the transform of `affineResample`: matrix `factor * R^T`, mirror flags, interpolation flag
 *
 * @example
 * ```ts
 * const config = { rotationProbability: 1, rotationDegrees: 30, scaleProbability: 0, scale: [0.7, 1.4] as [number, number],
 *   mirror: false, interpolation: "cubic" as const };
 * const transform = sampleAugmentation({ seed: 1, step: 0, sample: 0, config });
 * transform[12]; // 1: interpolates
 * ```
 * Source: nnssl training transforms on batchgenerators `SpatialTransform` and `MirrorTransform`.
 */
export function sampleAugmentation(request: AugmentationRequest): Float32Array<ArrayBuffer> {
  const { seed, step, sample, config } = request;
  const random = hashRandom(seed, STREAM, step, sample);
  const rotated = random.uniform() < config.rotationProbability;
  const limit = config.rotationDegrees * Math.PI / 180;
  const angles = [0, 1, 2].map(() => (2 * random.uniform() - 1) * limit);
  const scaled = random.uniform() < config.scaleProbability;
  const factor = drawFactor(config.scale, random.uniform() < 0.5, random.uniform());
  const mirrored = [0, 1, 2].map(() => random.uniform() < 0.5);
  const transform = new Float32Array(TRANSFORM_LENGTH);
  const rotation = rotated ? rotationMatrix(angles[0], angles[1], angles[2]) : rotationMatrix(0, 0, 0);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      transform[TRANSFORM_AT.matrix + 3 * row + column] = rotation[column][row] * (scaled ? factor : 1);
    }
  }
  if (config.mirror) mirrored.forEach((flip, axis) => transform[TRANSFORM_AT.mirror + axis] = flip ? 1 : 0);
  transform[TRANSFORM_AT.interpolate] = rotated || scaled ? 1 : 0;
  return transform;
}

/** The factor for a range: its part below 1 or above 1 where it has both. */
function drawFactor([low, high]: readonly [number, number], below: boolean, u: number): number {
  const [from, to] = below && low < 1 ? [low, Math.min(1, high)] : [Math.max(1, low), Math.max(1, high)];
  return low <= 1 && high >= 1 ? from + (to - from) * u : low + (high - low) * u;
}

/**
 * `R = Rx(ax) Ry(ay) Rz(az)` with right-handed rotations about the axes 0, 1, 2 of `[D, H, W]`; angles in radians.
 * @returns rows of R
 */
export function rotationMatrix(ax: number, ay: number, az: number): readonly (readonly number[])[] {
  const [cx, cy, cz] = [ax, ay, az].map(Math.cos);
  const [sx, sy, sz] = [ax, ay, az].map(Math.sin);
  return [
    [cy * cz, -cy * sz, sy],
    [cx * sz + sx * sy * cz, cx * cz - sx * sy * sz, -sx * cy],
    [sx * sz - cx * sy * cz, sx * cz + cx * sy * sz, cx * cy],
  ];
}
