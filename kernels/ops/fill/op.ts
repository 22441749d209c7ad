/** A constant tensor, for instance the seed of a gradient. */
import { DENSE, elementCount, type OpDef } from "../../spec.ts";
import { count, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/** Shape and value of {@link fill}. */
export interface FillAttrs {
  readonly shape: readonly number[];
  readonly value: number;
}

/** A tensor of `shape` in which every element is `value`. No inputs. */
export const fill: OpDef<FillAttrs> = {
  name: "fill",
  isZero: ({ value }) => value === 0,
  infer: (_, { shape }) => [{ shape, dtype: "f32", layout: DENSE }],
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0 * count(outputs)),
  lower: (request) =>
    lowerElementwise(request, "fill", [], "p.value", { value: { f32: request.attrs.value } }),
  gradient: () => [],
  reference: ({ attrs }) => [new Float64Array(elementCount(attrs.shape)).fill(attrs.value)],
};
