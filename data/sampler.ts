import { hashRandom, type Rng } from "./random.ts";
import type { Dims3 } from "./volume.ts";

/** Key of the sampler's random streams, so that no other user of the run's seed draws the same numbers. */
const SAMPLER_STREAM = 0x73616d70;
const MAX_ROTATION = Math.PI / 6;
const MIN_SCALE = 0.85;

/** Which draw: a position depends on nothing else, so a run resumes at any step. */
export interface SampleKey {
  readonly seed: number;
  readonly step: number;
  /** Index within the step's batch. */
  readonly sampleIndex: number;
  /** Separates independent sequences of one seed, for example validation from training; 0 when left out. */
  readonly stream?: number;
}

/** A drawn patch: index of the volume and first voxel along z, y, x, which may be negative. */
export interface PatchPosition {
  readonly volume: number;
  readonly start: Dims3;
}

/**
 * Size of the crop from which a patch can be rotated by up to 30 degrees and shrunk to 0.85 without running out of data:
 * 160 -> 257, 128 -> 205, 96 -> 154, 192 -> 308 for cubes.
 *
 * Along every axis the largest extent of the patch vector rotated about each axis in turn, over 0.85, truncated. When the first axis is
 * more than three times shorter than another, slices are rotated in plane by up to 180 degrees instead and the first axis stays.
 *
 * @param finalSize patch that the network sees, z, y, x
 * Source: `get_patch_size` of batchgenerators and its use in nnssl
 */
export function getPatchSize(finalSize: Dims3): Dims3 {
  const inPlane = Math.max(...finalSize) / finalSize[0] > 3;
  const angle = inPlane ? Math.PI / 2 : MAX_ROTATION; // beyond 90 degrees the extents repeat
  const cos = Math.cos(angle), sin = Math.sin(angle);
  const extent: number[] = [...finalSize];
  const [a, b, c] = finalSize;
  const rotated = [
    [a, b * cos + c * sin, -b * sin + c * cos],
    [a * cos - c * sin, b, a * sin + c * cos],
    [a * cos + b * sin, -a * sin + b * cos, c],
  ];
  for (const vector of rotated) {
    vector.forEach((value, axis) => extent[axis] = Math.max(extent[axis], Math.abs(value)));
  }
  const size = extent.map((value) => Math.trunc(value / MIN_SCALE));
  return [inPlane ? finalSize[0] : size[0], size[1], size[2]];
}

/**
 * Range [lo, hi], both included, of the first voxel of a crop along one axis. The crop may reach outside the image by half of what it is
 * larger than the final patch, and by as much as needed when the image is smaller than the crop.
 *
 * @param dataSize voxels of the image, `cropSize` of the crop, `finalSize` of the patch cut from the crop's centre
 * Source: `get_bbox` of the data loaders of nnU-Net v2 and nnssl
 */
export function startRange(dataSize: number, cropSize: number, finalSize: number): [lo: number, hi: number] {
  let need = cropSize - finalSize;
  if (need + dataSize < cropSize) need = cropSize - dataSize;
  return [0 - Math.ceil(need / 2), dataSize + Math.floor(need / 2) + need % 2 - cropSize];
}

/**
 * Draws one training sample: an image with replacement, then a crop position uniform in its range along each axis.
 *
 * @param shapes `[D, H, W]` of every image of the subset
 * @param cropSize size that is read; `finalSize` is what remains of it after augmentation
 * @param groups of image indices, each drawn equally often (see `balanceGroups`); all images equally often when left out
 * @throws {RangeError} without images, or if the crop is smaller than the patch
 */
export function drawPatch(
  key: SampleKey,
  shapes: readonly Dims3[],
  cropSize: Dims3,
  finalSize: Dims3,
  groups?: readonly (readonly number[])[],
): PatchPosition {
  if (shapes.length === 0) throw new RangeError("Cannot draw a patch: found no image, wanted at least one");
  if (cropSize.some((size, axis) => size < finalSize[axis])) {
    throw new RangeError(
      `Cannot draw a patch: crop ${cropSize.join("x")} is smaller than patch ${finalSize.join("x")}`,
    );
  }
  const random = hashRandom(key.seed, SAMPLER_STREAM, key.stream ?? 0, key.step, key.sampleIndex);
  const volume = drawImage(random, shapes.length, groups);
  const start = shapes[volume].map((size, axis) =>
    random.int(...startRange(size, cropSize[axis], finalSize[axis]))
  );
  return { volume, start: start as unknown as Dims3 };
}

/** A single group draws what no group does, so that balancing a collection of one modality changes nothing. */
function drawImage(random: Rng, count: number, groups: readonly (readonly number[])[] = []): number {
  if (groups.length < 2) return random.int(0, count - 1);
  const group = groups[random.int(0, groups.length - 1)];
  return group[random.int(0, group.length - 1)];
}

/**
 * First voxel of a crop that is centred on a voxel as far as its range allows: `v - floor(crop / 2)`, kept within `startRange`.
 *
 * Source: the anatomy-aware data loader of nnssl, which has no upper bound
 */
export function centredStart(centre: Dims3, shape: Dims3, cropSize: Dims3, finalSize: Dims3): Dims3 {
  const start = shape.map((size, axis) => {
    const [lo, hi] = startRange(size, cropSize[axis], finalSize[axis]);
    return Math.min(Math.max(centre[axis] - Math.floor(cropSize[axis] / 2), lo), hi);
  });
  return start as unknown as Dims3;
}
