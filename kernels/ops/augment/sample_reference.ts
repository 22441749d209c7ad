/** Float64 sampling of patches, plain loops. */
import { type Dims3, elementCount, type TensorSpec } from "../../spec.ts";
import { SAMPLE_AT } from "./parameters.ts";

/** A voxel that takes part in an interpolation; NaN outside the crop. */
interface Neighbour {
  readonly value: number;
  readonly weight: number;
}

/** Trilinear with zeros outside, as `torch.nn.functional.grid_sample(padding_mode="zeros")`. */
export function interpolateImage(neighbours: readonly Neighbour[]): number {
  return neighbours.reduce((sum, { value, weight }) => sum + (Number.isNaN(value) ? 0 : weight * value), 0);
}

/** The largest label that weighs at least 1/2; without one, -1 at the border of the crop and 0 inside. */
export function interpolateLabel(neighbours: readonly Neighbour[]): number {
  const shares = new Map<number, number>();
  for (const { value, weight } of neighbours) {
    if (!Number.isNaN(value)) shares.set(value, (shares.get(value) ?? 0) + weight);
  }
  const won = [...shares].filter(([, share]) => share >= 0.5).map(([label]) => label);
  if (won.length > 0) return Math.max(...won);
  return neighbours.some(({ value, weight }) => Number.isNaN(value) && weight > 0) ? -1 : 0;
}

/** All channels of all samples: x `[N, C, ...crop]`, parameters `[N, row]`, result `[N, C, ...size]`. */
export function sampleReference(
  x: Float64Array,
  spec: TensorSpec,
  parameters: Float64Array,
  size: Dims3,
  interpolate: (neighbours: readonly Neighbour[]) => number,
): Float64Array {
  const [n, c, ...extents] = spec.shape;
  const crop = extents as unknown as Dims3, voxels = elementCount(crop), row = parameters.length / n;
  const y = new Float64Array(n * c * elementCount(size));
  let at = 0;
  for (let image = 0; image < n * c; image++) {
    const m = parameters.subarray(Math.floor(image / c) * row);
    const voxel = (z: number, h: number, w: number) =>
      [z, h, w].every((v, axis) => v >= 0 && v < crop[axis])
        ? x[image * voxels + (z * crop[1] + h) * crop[2] + w]
        : NaN;
    for (let z = 0; z < size[0]; z++) {
      for (let h = 0; h < size[1]; h++) {
        for (let w = 0; w < size[2]; w++) {
          const o = [z, h, w];
          if (m[SAMPLE_AT.interpolate] === 0) {
            const [a, b, l] = o.map((v, axis) => v + Math.floor((crop[axis] - size[axis]) / 2));
            y[at++] = voxel(a, b, l);
            continue;
          }
          const q = crop.map((extent, axis) =>
            extent / 2 - 0.5 + o.reduce((sum, v, k) => sum + m[3 * axis + k] * (v - (size[k] - 1) / 2), 0)
          );
          y[at++] = interpolate(neighboursOf(q, voxel));
        }
      }
    }
  }
  return y;
}

function neighboursOf(
  q: readonly number[],
  voxel: (z: number, h: number, w: number) => number,
): readonly Neighbour[] {
  const low = q.map(Math.floor), neighbours: Neighbour[] = [];
  for (let k = 0; k < 8; k++) {
    const bits = [k >> 2, (k >> 1) & 1, k & 1];
    const [z, h, w] = low.map((v, axis) => v + bits[axis]);
    const weight = q.reduce((product, v, axis) => {
      const t = v - low[axis];
      return product * (bits[axis] === 1 ? t : 1 - t);
    }, 1);
    neighbours.push({ value: voxel(z, h, w), weight });
  }
  return neighbours;
}
