import type { Rng } from "../random.ts";

/** A focal lesion of the white matter: ellipsoid-like, edges roughened by the texture. Head coordinates, mm. */
export interface Lesion {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly radius: number;
}

/** Draws 6 to 24 lesions beside and above the lateral ventricles; most are small. */
export function drawLesions(rng: Rng): Lesion[] {
  return Array.from({ length: rng.int(6, 24) }, () => ({
    x: (14 + 26 * rng.uniform()) * (rng.uniform() < 0.5 ? -1 : 1),
    y: -55 + 85 * rng.uniform(),
    z: 12 + 30 * rng.uniform(),
    radius: 1.8 + 6 * rng.uniform() ** 3,
  }));
}

/** Signed distance in mm to the nearest lesion, positive inside; texture of variance 1 shifts the border. */
export function lesionDistance(
  lesions: readonly Lesion[],
  texture: number,
  x: number,
  y: number,
  z: number,
): number {
  let inside = -Infinity;
  for (const lesion of lesions) {
    inside = Math.max(inside, lesion.radius - Math.hypot(x - lesion.x, (y - lesion.y) * 0.7, z - lesion.z));
  }
  return inside + 0.8 * texture;
}
