import type { Dims3 } from "../data/volume.ts";
import type { LabelMap } from "./label_map.ts";
import { type SlotPair, slotPair } from "./label_slots.ts";
import { pairOverlap } from "./overlap.ts";
import { labelBoxes, padMask, unionBox } from "./surface/pad_mask.ts";
import {
  averageSymmetricDistance,
  hausdorff,
  surfaceDice,
  surfaceDistances,
} from "./surface/surface_distances.ts";
import { type CaseMetrics, classKey, type ClassMetrics, type EvaluatedClass } from "./types.ts";

/** What is computed for a pair of label maps. */
export interface CaseMetricsOptions {
  readonly classes: readonly EvaluatedClass[];
  /** Label value of reference voxels that count nowhere; null for none. */
  readonly ignore: number | null;
  /** mm along z, y, x. */
  readonly spacing: Dims3;
  /** Tolerance of NSD of each class in mm. */
  readonly tolerances: readonly number[];
  /** False leaves out NSD, HD95 and ASSD. */
  readonly surface: boolean;
}

/** Surface metrics of a class. */
type SurfaceMetrics = Pick<ClassMetrics, "NSD" | "HD95" | "ASSD">;

const UNDEFINED: SurfaceMetrics = { NSD: NaN, HD95: NaN, ASSD: NaN };

/**
 * Metrics of every class for one pair of label maps on the same grid.
 *
 * @throws {RangeError} when the maps differ in shape
 */
export function caseMetrics(
  reference: Pick<LabelMap, "data" | "shape">,
  prediction: Pick<LabelMap, "data" | "shape">,
  options: CaseMetricsOptions,
): CaseMetrics {
  const { classes, ignore, spacing, tolerances, surface } = options;
  const pair = slotPair(reference, prediction, classes, ignore);
  const voxelVolume = spacing[0] * spacing[1] * spacing[2];
  const distances = surface
    ? surfaceMetrics(pair, reference.shape, spacing, tolerances)
    : classes.map(() => UNDEFINED);
  return Object.fromEntries(
    pairOverlap(pair).map((overlap, i) => [classKey(classes[i].values), {
      ...overlap,
      volume_pred: overlap.n_pred * voxelVolume,
      volume_ref: overlap.n_ref * voxelVolume,
      ...distances[i],
    }]),
  );
}

function surfaceMetrics(
  pair: SlotPair,
  shape: Dims3,
  spacing: Dims3,
  tolerances: readonly number[],
): SurfaceMetrics[] {
  const boxes = [pair.reference, pair.prediction].map((slots) => labelBoxes(slots, shape, pair.slots));
  const scratch: [Uint8Array?, Uint8Array?] = [];
  return pair.members.map((member, i) => {
    const box = unionBox(boxes, member);
    if (box === null) return UNDEFINED;
    const masks = ([pair.reference, pair.prediction] as const).map((slots, side) => {
      const mask = padMask(slots, shape, member, box, scratch[side]);
      scratch[side] = mask.data;
      return mask;
    });
    const distances = surfaceDistances(masks[0], masks[1], spacing);
    return {
      NSD: surfaceDice(distances, tolerances[i]),
      HD95: hausdorff(distances, 95),
      ASSD: averageSymmetricDistance(distances),
    };
  });
}
