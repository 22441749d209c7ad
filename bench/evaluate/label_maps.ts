/** Label maps to time metrics with: a reference, and a prediction that is off by a few voxels as a trained network's is. */
import { hashRandom } from "../../data/random.ts";
import type { Dims3 } from "../../data/volume.ts";

/** A pair of label maps, `[size, size, size]`, labels 1 to `classes`. */
export interface LabelMapPair {
  readonly name: string;
  readonly shape: Dims3;
  readonly reference: Uint8Array;
  readonly prediction: Uint8Array;
}

/** A structure: the ellipsoid (voxel - centre) / radius < 1. */
interface Ellipsoid {
  readonly label: number;
  readonly centre: readonly number[];
  readonly radius: readonly number[];
}

/**
 * `structures`: one ellipsoid a class, edges of 10 to 60 % of the volume. `scattered`: a dozen small ones a class all over the volume, so that
 * the box around every class is nearly the whole volume.
 */
export function labelMapPair(name: "structures" | "scattered", size: number, classes: number): LabelMapPair {
  const random = hashRandom(17, size, classes, name === "scattered" ? 1 : 0);
  const draw = (low: number, high: number) =>
    [0, 0, 0].map(() => size * (low + (high - low) * random.uniform()));
  const bodies: Ellipsoid[] = [];
  for (let label = 1; label <= classes; label++) {
    const large = 0.3 - 0.025 * label;
    for (let i = 0; i < (name === "scattered" ? 12 : 1); i++) {
      bodies.push(
        name === "scattered"
          ? { label, centre: draw(0.1, 0.9), radius: draw(0.03, 0.08) }
          : { label, centre: draw(0.3, 0.7), radius: draw(large, large + 0.05) },
      );
    }
  }
  const moved = bodies.map((body): Ellipsoid => ({
    label: body.label,
    centre: body.centre.map((at) => at + 1.5 * random.normal()),
    radius: body.radius.map((length) => length + 1.5 * random.normal()),
  }));
  const shape = [size, size, size] as const;
  return { name, shape, reference: paint(bodies, size), prediction: paint(moved, size) };
}

function paint(bodies: readonly Ellipsoid[], size: number): Uint8Array {
  const map = new Uint8Array(size ** 3);
  for (const { label, centre, radius } of bodies) {
    const low = centre.map((at, axis) => Math.max(0, Math.ceil(at - radius[axis])));
    const high = centre.map((at, axis) => Math.min(size - 1, Math.floor(at + radius[axis])));
    for (let z = low[0]; z <= high[0]; z++) {
      for (let y = low[1]; y <= high[1]; y++) {
        const part = ((z - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2;
        for (let x = low[2]; x <= high[2]; x++) {
          if (part + ((x - centre[2]) / radius[2]) ** 2 < 1) map[(z * size + y) * size + x] = label;
        }
      }
    }
  }
  return map;
}
