import { voxelCount } from "../data/volume.ts";
import type { LabelMap } from "./label_map.ts";
import type { EvaluatedClass } from "./types.ts";

/** Two label maps on one grid, label values replaced by slots: 0 for what belongs to no class, then one for each value of a class. */
export interface SlotPair {
  readonly reference: Uint8Array | Uint16Array;
  readonly prediction: Uint8Array | Uint16Array;
  /** Number of slots, slot 0 included. */
  readonly slots: number;
  /** For each class 1 at the slots of its values, `[slots]`. */
  readonly members: readonly Uint8Array[];
  /** Voxels with slot r in the reference and p in the prediction, `[slots, slots]`; ignored voxels are not counted. */
  readonly joint: Float64Array;
  /** Number of voxels that count. */
  readonly voxels: number;
}

/**
 * Slots and joint histogram of a pair. Ignored voxels (reference value `ignore`) become slot 0 in both maps: they count nowhere, and
 * surfaces are those of the masks without them.
 *
 * @throws {RangeError} when the maps differ in shape
 */
export function slotPair(
  reference: Pick<LabelMap, "data" | "shape">,
  prediction: Pick<LabelMap, "data" | "shape">,
  classes: readonly EvaluatedClass[],
  ignore: number | null,
): SlotPair {
  if (String(reference.shape) !== String(prediction.shape)) {
    throw new RangeError(
      `Cannot compare label maps: found shapes ${reference.shape.join("x")} and ${
        prediction.shape.join("x")
      }, wanted equal ones`,
    );
  }
  const values = [...new Set(classes.flatMap((item) => item.values))].sort((a, b) => a - b);
  const slots = values.length + 1;
  const slotOf = new Uint16Array(65536);
  values.forEach((value, i) => slotOf[value] = i + 1);
  const members = classes.map((item) => {
    const member = new Uint8Array(slots);
    for (const value of item.values) member[slotOf[value]] = 1;
    return member;
  });
  const size = voxelCount(reference.shape);
  const make = () => slots <= 256 ? new Uint8Array(size) : new Uint16Array(size);
  const pair = { reference: make(), prediction: make() };
  const joint = new Float64Array(slots * slots);
  const ignored = fillSlots(reference.data, prediction.data, ignore ?? -1, slotOf, pair, joint, slots);
  return { ...pair, slots, members, joint, voxels: size - ignored };
}

/** @returns number of ignored voxels */
function fillSlots(
  reference: LabelMap["data"],
  prediction: LabelMap["data"],
  ignore: number,
  slotOf: Uint16Array,
  out: Pick<SlotPair, "reference" | "prediction">,
  joint: Float64Array,
  slots: number,
): number {
  let ignored = 0;
  for (let i = 0; i < reference.length; i++) {
    const value = reference[i];
    if (value === ignore) {
      ignored++;
      continue;
    }
    const r = slotOf[value], p = slotOf[prediction[i]];
    if ((r | p) === 0) continue;
    out.reference[i] = r;
    out.prediction[i] = p;
    joint[r * slots + p]++;
  }
  let counted = 0;
  for (const count of joint) counted += count;
  joint[0] = reference.length - ignored - counted;
  return ignored;
}
