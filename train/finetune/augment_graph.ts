/** The part of a training graph that makes patches of crops. */
import type { Value } from "../../kernels/graph/graph.ts";
import type { Dims3 } from "../../kernels/spec.ts";

/** What {@linkcode augmentPatch} works on, f32. */
export interface PatchSource {
  /** `[N, C, ...crop]`, 0 outside the volume */
  readonly crop: Value;
  /** `[N, 1, ...crop]`, -1 outside the non-zero mask and the volume */
  readonly label: Value;
  /** `[N, augmentationLength(C)]`, a row of `sampleFinetuneAugmentation` a sample */
  readonly parameters: Value;
}

/** What becomes of them. */
export interface PatchOptions {
  /** `[D, H, W]` that the network sees */
  readonly patch: Dims3;
  /** for each channel whether it is 0 where the label is negative: the plan's `use_mask_for_norm` */
  readonly maskImage: readonly boolean[];
}

/** An augmented patch. */
export interface Patch {
  /** `[N, C, ...patch]` */
  readonly image: Value;
  /** `[N, 1, ...patch]`, not negative */
  readonly label: Value;
}
