/** Adds a tensor onto a persistent one: how micro-batches sum their gradients. */
import type { OpDef } from "../../spec.ts";
import { count, requireSame, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/**
 * `target += scale * value`.
 *
 * Inputs `[target, value]` of one shape, `target` an accumulator or state; output: the updated target.
 * @throws {ShapeError} when the shapes differ
 */
export const accumulate: OpDef<{ scale: number }> = {
  name: "accumulate",
  updates: [[0, 0]],
  sums: ({ scale }) => [{ onto: 0, value: 1, scale }],
  infer([target, value]) {
    requireSame("accumulate", target, value, "target and value");
    return [target];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 2 * count(outputs)),
  lower: (request) =>
    lowerElementwise(request, "accumulate", ["target_", "value"], "target_ + p.scale * value", {
      scale: { f32: request.attrs.scale },
    }),
  reference: ({ inputs: [target, value], attrs }) => [target.map((v, i) => v + attrs.scale * value[i])],
};
