import type { Dims3 } from "../../data/volume.ts";
import { extractSurface, type PaddedMask, type Surface } from "./extract_surface.ts";
import { nearestDistances } from "./nearest_distances.ts";
import { surfelAreas } from "./surfel_areas.ts";

/** The surface of one mask with its distance to that of the other one. */
export interface SurfaceSide {
  /** mm from each surface element to the nearest one of the other mask; Infinity when that has none. */
  readonly distances: Float64Array;
  /** mm^2 of each surface element. */
  readonly areas: Float64Array;
  /** mm^2 of all together. */
  readonly totalArea: number;
}

/** Distances between the surfaces of two masks. */
export interface SurfaceDistances {
  readonly reference: SurfaceSide;
  readonly prediction: SurfaceSide;
}

/**
 * Distances between the surfaces of two masks of one shape, in both directions.
 *
 * Surface elements, areas and their places: Nikolov et al. 2021, "Clinically applicable segmentation of head and neck anatomy".
 *
 * @param spacing mm along the three array axes
 */
export function surfaceDistances(
  reference: PaddedMask,
  prediction: PaddedMask,
  spacing: Dims3,
): SurfaceDistances {
  const shape: Dims3 = [reference.shape[0] + 1, reference.shape[1] + 1, reference.shape[2] + 1];
  const ours = extractSurface(reference), theirs = extractSurface(prediction);
  const areas = surfelAreas(spacing);
  return {
    reference: side(ours, theirs, shape, spacing, areas),
    prediction: side(theirs, ours, shape, spacing, areas),
  };
}

function side(
  from: Surface,
  to: Surface,
  shape: Dims3,
  spacing: Dims3,
  areaOf: Float64Array,
): SurfaceSide {
  const areas = new Float64Array(from.codes.length);
  let totalArea = 0;
  for (let i = 0; i < areas.length; i++) totalArea += areas[i] = areaOf[from.codes[i]];
  return { distances: nearestDistances(to.corners, from.corners, shape, spacing), areas, totalArea };
}

/** Share of a surface that lies within `tolerance` mm of the other one; NaN without a surface. */
export function overlapAtTolerance(side: SurfaceSide, tolerance: number): number {
  return areaWithin(side, tolerance) / side.totalArea;
}

/** Normalised surface Dice: share of both surfaces within `tolerance` mm of the other one; 0 when one is empty, NaN when both are. */
export function surfaceDice({ reference, prediction }: SurfaceDistances, tolerance: number): number {
  const within = areaWithin(reference, tolerance) + areaWithin(prediction, tolerance);
  return within / (reference.totalArea + prediction.totalArea);
}

function areaWithin({ distances, areas }: SurfaceSide, tolerance: number): number {
  let area = 0;
  for (let i = 0; i < areas.length; i++) if (distances[i] <= tolerance) area += areas[i];
  return area;
}

/**
 * Hausdorff distance at a percentile of the surface area, the larger one of both directions, mm; Infinity when a mask is empty.
 *
 * @param percent 95 for HD95, 100 for the largest distance
 */
export function hausdorff({ reference, prediction }: SurfaceDistances, percent: number): number {
  return Math.max(percentileDistance(reference, percent), percentileDistance(prediction, percent));
}

/** Rounding that sums of areas may have, as a share: a percentile that falls on the end of a group of equal distances stays there. */
const SUM_ROUNDING = 1e-12;

/** Smallest distance that at least `percent` of the area does not exceed. */
function percentileDistance({ distances, areas, totalArea }: SurfaceSide, percent: number): number {
  if (areas.length === 0) return Infinity;
  const areaAt = new Map<number, number>();
  let zero = 0;
  for (let i = 0; i < areas.length; i++) {
    const distance = distances[i];
    if (distance === 0) zero += areas[i];
    else areaAt.set(distance, (areaAt.get(distance) ?? 0) + areas[i]);
  }
  const wanted = (percent / 100 - SUM_ROUNDING) * totalArea;
  if (zero >= wanted) return 0;
  const sorted = Float64Array.from(areaAt.keys()).sort();
  let area = zero;
  for (const distance of sorted) {
    area += areaAt.get(distance)!;
    if (area >= wanted) return distance;
  }
  return sorted.at(-1) ?? 0;
}

/** Mean distance of one surface to the other, weighted by area, mm; NaN without a surface, Infinity without the other one. */
export function averageDistance(side: SurfaceSide): number {
  return areaTimesDistance(side) / side.totalArea;
}

/** Average symmetric surface distance: the mean over the area of both surfaces, mm; NaN when both are empty, Infinity when one is. */
export function averageSymmetricDistance({ reference, prediction }: SurfaceDistances): number {
  const sum = areaTimesDistance(reference) + areaTimesDistance(prediction);
  return sum / (reference.totalArea + prediction.totalArea);
}

function areaTimesDistance({ distances, areas }: SurfaceSide): number {
  let sum = 0;
  for (let i = 0; i < areas.length; i++) sum += distances[i] * areas[i];
  return sum;
}
