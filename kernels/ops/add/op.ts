/** Elementwise sum. */
import type { OpDef } from "../../spec.ts";
import { count, requireSame, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/** No attributes. */
export type NoAttrs = Record<string, never>;

/**
 * `y = a + b`.
 *
 * Inputs `[a, b]` of one shape; output of that shape. May overwrite either.
 * @throws {ShapeError} when the shapes differ
 */
export const add: OpDef<NoAttrs> = {
  name: "add",
  mayOverwrite: [[0, 0], [1, 0]],
  sums: () => [{ onto: 0, value: 1, scale: 1 }, { onto: 1, value: 0, scale: 1 }],
  infer([a, b]) {
    requireSame("add", a, b, "a and b");
    return [a];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower: (request) => lowerElementwise(request, "add", ["a", "b"], "a + b"),
  gradient: ({ gradients: [dy], needed }) => needed.map((n) => n ? dy : null),
  reference: ({ inputs: [a, b] }) => [a.map((v, i) => v + b[i])],
};
