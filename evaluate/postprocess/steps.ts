import { voxelCount } from "../../data/volume.ts";
import type { LabelMap } from "../label_map.ts";
import { keepLargestComponent } from "./components.ts";

/** One step of post-processing: of the voxels with these label values taken together only the largest component stays. */
export interface PostprocessStep {
  readonly kind: "keep-largest-component";
  /** What it is for: "foreground", or the name of a class. */
  readonly name: string;
  readonly values: readonly number[];
}

/**
 * Applies steps to a segmentation; what they remove becomes background.
 *
 * @returns a new array, or the one given when nothing changes
 */
export function applySteps(
  { data, shape }: Pick<LabelMap, "data" | "shape">,
  steps: readonly PostprocessStep[],
): LabelMap["data"] {
  let labels = data;
  for (const { values } of steps) {
    const member = new Uint8Array(65536);
    for (const value of values) member[value] = 1;
    const mask = new Uint8Array(voxelCount(shape));
    for (let i = 0; i < mask.length; i++) mask[i] = member[labels[i]];
    if (keepLargestComponent(mask, shape) === 0) continue;
    const kept = labels.slice();
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0 && member[kept[i]]) kept[i] = 0;
    labels = kept;
  }
  return labels;
}
