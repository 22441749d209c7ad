/** A ring of step metrics on the GPU, read back every few steps. */
import { type OpDef, tensor } from "../../spec.ts";
import { input, kernel, output } from "../../wgsl/module.ts";
import { require, streamCost } from "../check.ts";

/** Attributes of {@link writeMetrics}: which element of which later input becomes which column. */
export interface MetricsAttrs {
  readonly picks: readonly { readonly input: number; readonly element: number }[];
}

/**
 * Writes one row of a ring: `ring[row, k] = values[picks[k].input][picks[k].element]`, `row = scalars[3]`.
 *
 * Inputs `[ring, scalars, ...values]`: ring `[rows, columns]` (a state), scalars `[4]`; updates the ring in place.
 * @throws {ShapeError} when the picks do not fit the ring
 */
export const writeMetrics: OpDef<MetricsAttrs> = {
  name: "writeMetrics",
  updates: [[0, 0]],
  infer(inputs, { picks }) {
    require(
      inputs[0].shape.length === 2 && inputs[0].shape[1] === picks.length,
      "writeMetrics",
      `ring has shape [${inputs[0].shape}], wanted [rows, ${picks.length}]`,
    );
    return [inputs[0]];
  },
  cost: (inputs, outputs) => streamCost([inputs[1]], [tensor([outputs[0].shape[1]])], 0),
  lower({ inputs, attrs: { picks }, device }) {
    const values = inputs.slice(2).map((_, i) => input(2 + i, `v${i}`));
    return {
      variant: "one thread",
      scratch: [],
      kernels: [kernel({
        label: `writeMetrics ${picks.length}`,
        device,
        workgroupSize: 1,
        bindings: [input(1, "scalars"), ...values, output(0, "ring")],
        params: { columns: picks.length },
        groups: 1,
        body: [
          "let row = u32(scalars[3]) * p.columns;",
          ...picks.map((pick, k) => `ring[row + ${k}u] = v${pick.input}[${pick.element}u];`),
        ].join("\n"),
      })],
    };
  },
  reference({ inputs: [ring, scalars, ...values], attrs: { picks } }) {
    const next = ring.slice();
    picks.forEach((pick, k) => next[scalars[3] * picks.length + k] = values[pick.input][pick.element]);
    return [next];
  },
};
