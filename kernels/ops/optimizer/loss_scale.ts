/** Dynamic loss scale: keeps 16-bit gradients between underflow and overflow, decided on the GPU. */
import type { OpDef } from "../../spec.ts";
import { input, kernel, output } from "../../wgsl/module.ts";
import { require, sameShape, streamCost } from "../check.ts";

/** Attributes of {@link updateLossScale}. */
export interface LossScaleAttrs {
  /** Good steps in a row after which the scale doubles. */
  readonly growthInterval: number;
  /** Bounds of the scale, powers of two. */
  readonly smallest: number;
  readonly largest: number;
}

/**
 * Halves the scale after a step whose gradients overflowed, doubles it after `growthInterval` good steps in a row.
 *
 * Inputs `[scale, goodSteps, clip]`: both states `[1]`, clip `[4]` from `clipScale` (its third element tells whether the step was
 * good). Updates scale and goodSteps in place.
 * @throws {ShapeError} when the shapes do not fit
 * Source: torch.amp.GradScaler; Micikevicius et al., "Mixed precision training" (arXiv:1710.03740).
 */
export const updateLossScale: OpDef<LossScaleAttrs> = {
  name: "updateLossScale",
  updates: [[0, 0], [1, 1]],
  infer(inputs) {
    for (const [i, wanted] of [[1], [1], [4]].entries()) {
      require(
        inputs[i] !== undefined && sameShape(inputs[i].shape, wanted),
        "updateLossScale",
        `${["scale", "good steps", "clip"][i]} has shape [${inputs[i]?.shape}], wanted [${wanted}]`,
      );
    }
    return [inputs[0], inputs[1]];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 4),
  lower({ attrs, device }) {
    return {
      variant: "one thread",
      scratch: [],
      kernels: [kernel({
        label: "updateLossScale",
        device,
        workgroupSize: 1,
        bindings: [input(2, "clip"), output(0, "scale"), output(1, "goodSteps")],
        params: {
          growthInterval: { f32: attrs.growthInterval },
          smallest: { f32: attrs.smallest },
          largest: { f32: attrs.largest },
        },
        groups: 1,
        body: `
if (clip[2] == 0.0) {
  scale[0] = min(scale[0], max(p.smallest, scale[0] * 0.5));
  goodSteps[0] = 0.0;
} else if (goodSteps[0] + 1.0 >= p.growthInterval) {
  scale[0] = max(scale[0], min(p.largest, scale[0] * 2.0));
  goodSteps[0] = 0.0;
} else {
  goodSteps[0] = goodSteps[0] + 1.0;
}`,
      })],
    };
  },
  reference({ inputs: [[scale], [good], clip], attrs }) {
    if (clip[2] === 0) {
      return [Float64Array.of(Math.min(scale, Math.max(attrs.smallest, scale / 2))), Float64Array.of(0)];
    }
    return good + 1 >= attrs.growthInterval
      ? [Float64Array.of(Math.max(scale, Math.min(attrs.largest, scale * 2))), Float64Array.of(0)]
      : [Float64Array.of(scale), Float64Array.of(good + 1)];
  },
};
