/** Change of element type. */
import { LimitError } from "../../errors.ts";
import { type DeviceFacts, elementCount, type OpDef } from "../../spec.ts";
import { input, kernel, output, storageType, WORKGROUP } from "../../wgsl/module.ts";
import { count, require, streamCost } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Element type of the output. */
export interface CastAttrs {
  readonly to: "f32" | "f16";
}

const PER_THREAD = 4;

/**
 * `y = x` in another element type. From f32 to f16 the device rounds to 11 significant bits and values beyond 65504 are lost
 * (infinite or clamped, by device); the float64 reference does not round.
 *
 * Input `[x]` of any shape, f32 or f16; output of that shape and type `to`. The gradient is cast back.
 * @throws {ShapeError} when x is neither f32 nor f16
 * @throws {LimitError} on lowering, when the device has no 16-bit floats
 * Source: IEEE 754 binary16; WGSL, section "Floating Point Conversion".
 */
export const cast: OpDef<CastAttrs> = {
  name: "cast",
  infer([x], { to }) {
    require(
      x.dtype === "f32" || x.dtype === "f16",
      "cast",
      `x is ${x.dtype}, wanted f32 or f16`,
      x.dtype,
    );
    return [{ ...x, dtype: to }];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, count(outputs)),
  lower({ inputs: [x], outputs: [y], device }) {
    if (x.dtype === "f16" || y.dtype === "f16") requireHalf(`cast ${shapeText(x)} to ${y.dtype}`, device);
    const n = elementCount(x.shape);
    const [from, to] = [storageType(x.dtype), storageType(y.dtype)];
    return {
      variant: `${from} to ${to}`,
      scratch: [],
      kernels: [kernel({
        label: `cast ${from} to ${to} ${shapeText(x)}`,
        device,
        bindings: [input(0, "x", from), output(0, "y", to)],
        params: { n },
        groups: Math.ceil(n / (WORKGROUP * PER_THREAD)),
        body: `
let base = group * ${WORKGROUP * PER_THREAD}u + lid;
for (var step = 0u; step < ${PER_THREAD}u; step++) {
  let i = base + step * ${WORKGROUP}u;
  if (i < p.n) { y[i] = ${to}(x[i]); }
}`,
      })],
    };
  },
  gradient({ inputs: [x], gradients: [dy], apply }) {
    return [apply(cast, [dy!], { to: x.spec.dtype === "f16" ? "f16" : "f32" })[0]];
  },
  reference: ({ inputs: [x] }) => [x.slice()],
};

function requireHalf(what: string, device: DeviceFacts): void {
  if (device.f16) return;
  throw new LimitError(
    `Cannot lower ${what}: needs 16-bit floats, adapter ${device.adapter} has no shader-f16: use precision f32`,
    { value: what, need: 16, max: 32 },
  );
}
