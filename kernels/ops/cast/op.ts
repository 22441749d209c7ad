/** Change of element type. */
import type { OpDef } from "../../spec.ts";
import { count, requireFloat, streamCost } from "../check.ts";
import { lowerElementwise } from "../elementwise.ts";

/** Element type of the output. */
export interface CastAttrs {
  readonly to: "f32" | "f16";
}

/**
 * `y = x` in another element type. From f32 to f16 the device rounds to 11 significant bits and values beyond 65504 become
 * infinite; the float64 reference does not round.
 *
 * Input `[x]` of any shape, f32 or f16; output of that shape and type `to`. The gradient is cast back.
 * @throws {ShapeError} when x is neither f32 nor f16
 * @throws {LimitError} on lowering, when the device has no 16-bit floats
 * Source: IEEE 754 binary16; WGSL, section "Floating Point Conversion".
 */
export const cast: OpDef<CastAttrs> = {
  name: "cast",
  recompute: [0],
  infer([x], { to }) {
    requireFloat("cast", "x", x);
    return [{ ...x, dtype: to }];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower: (request) =>
    lowerElementwise(request, `cast ${request.inputs[0].dtype} to ${request.outputs[0].dtype}`, ["x"], "x"),
  gradient({ inputs: [x], gradients: [dy], apply }) {
    return [apply(cast, [dy!], { to: x.spec.dtype === "f16" ? "f16" : "f32" })[0]];
  },
  reference: ({ inputs: [x] }) => [x.slice()],
};
