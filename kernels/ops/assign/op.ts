/** Copies a tensor into a persistent one, so that another phase can read it. */
import type { OpDef } from "../../spec.ts";
import { requireSame, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/**
 * `target = value`.
 *
 * Inputs `[target, value]` of one shape, `target` persistent; output: the updated target.
 * @throws {ShapeError} when the shapes differ
 */
export const assign: OpDef<Record<string, never>> = {
  name: "assign",
  updates: [[0, 0]],
  infer([target, value]) {
    requireSame("assign", target, value, "target and value");
    return [target];
  },
  cost: (inputs, outputs) => streamCost([inputs[1]], outputs, 0),
  lower: (request) => lowerElementwise(request, "assign", ["previous", "value"], "value"),
  reference: ({ inputs: [, value] }) => [value.slice()],
};
