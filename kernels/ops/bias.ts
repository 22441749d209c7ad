/** The gradient of a bias that is added to every voxel of its channel. */
import type { Value } from "../graph/graph.ts";
import type { GradientScope } from "../spec.ts";
import { fill } from "./fill/op.ts";

/**
 * Zeros `[C]` when the bias has no gradient because of where `dy`, the gradient behind it, comes from; null when `dy` has to
 * be summed.
 *
 * An instance norm takes the mean off every channel of a sample, and with it a bias right in front: the gradient with respect
 * to its input sums to zero, over all voxels or the visible ones. Summing it would give rounding errors, as it does elsewhere.
 *
 * @param apply applies an operation to the graph that `dy` is part of
 */
export function zeroBiasGradient(
  dy: Value,
  channels: number,
  apply: GradientScope<unknown>["apply"],
): Value | null {
  const { producer } = dy;
  const centred = producer?.op.centred?.includes(producer.outputs.indexOf(dy)) ?? false;
  return centred ? apply(fill, [], { shape: [channels], value: 0 })[0] : null;
}
