import type { Lowering, LowerRequest, TensorSpec } from "../../spec.ts";
import { type Binding, input, output, type Param } from "../../wgsl/module.ts";
import { channelMap, elementOf } from "../channelwise.ts";
import { shapeText } from "../elementwise.ts";
import type { OverlapAttrs } from "./overlap.ts";

/** What a loss says of its gradient with respect to the logits. */
export interface LogitGradient {
  /** Name of the loss. */
  readonly name: string;
  /** Tensor whose channels are walked along. */
  readonly walks: TensorSpec;
  /** Inputs after the logits. */
  readonly reads: readonly Binding[];
  /** Besides the weights of both terms. */
  readonly params?: Readonly<Record<string, Param>>;
  readonly before: string;
  /** Statements for one element that load from `x` and store to `dx`. */
  readonly each: (x: Binding, dx: Binding) => string;
}

/** One map over channels; it may overwrite the logits, input 0. */
export function lowerLogitGradient(
  { inputs: [logits], attrs, inPlace, device }: LowerRequest<OverlapAttrs>,
  { name, walks, reads, params, before, each }: LogitGradient,
): Lowering {
  const overwrite = inPlace.length > 0;
  const dx = output(0, "dx", elementOf(logits));
  const x = overwrite ? dx : input(0, "x", elementOf(logits));
  return {
    variant: overwrite ? "in place" : "copy",
    scratch: [],
    kernels: [channelMap({
      label: `${name}.dlogits ${shapeText(logits)}${overwrite ? " in place" : ""}`,
      device,
      spec: walks,
      lanes: true,
      bindings: [...(overwrite ? [] : [x]), ...reads, dx],
      params: { ...params, diceWeight: { f32: attrs.diceWeight }, ceWeight: { f32: attrs.ceWeight } },
      before,
      each: each(x, dx),
    })],
  };
}
