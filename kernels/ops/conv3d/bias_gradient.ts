/** Gradient of a bias: the sum of every channel of dy, in two stages of fixed order. */
import type { DeviceFacts, KernelSpec, TensorSpec } from "../../spec.ts";
import { type KernelDraft, load } from "../../wgsl/module.ts";
import type { Store } from "../accumulation.ts";
import { channelSums, elementOf, finishPerChannel, partialSpec } from "../channelwise.ts";

/** Sums of channels. */
export interface ChannelTotals {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly source: KernelDraft["bindings"][number];
  /** Number of the input that is the block table, for the block layout. */
  readonly table?: number;
  readonly target: KernelDraft["bindings"][number];
  /** Number of the scratch tensor that {@link channelTotals} describes. */
  readonly partial: number;
  /** Writes the sums, or adds them onto what is there. */
  readonly store: Store;
}

/** `sums[c] = sum_{n,p} x[n,c,p]` over all stored voxels. @returns the kernels and the scratch tensor between them */
export function channelTotals(draft: ChannelTotals): { kernels: readonly KernelSpec[]; scratch: TensorSpec } {
  const { label, device, spec, partial, table } = draft;
  const sums = { ...draft.target, name: "sums" };
  const source = { ...draft.source, name: "x", type: elementOf(spec) };
  return {
    scratch: partialSpec(spec),
    kernels: [
      channelSums({
        label,
        device,
        spec,
        partial,
        table,
        bindings: [source],
        lanes: true,
        each: `sum.x = sum.x + total(${load(source, "i")});`,
      }),
      finishPerChannel({
        label,
        device,
        spec,
        partial,
        bindings: [sums],
        params: draft.store.params,
        store: `let value = sum.x; ${draft.store.into(sums, "c", "value")}`,
      }),
    ],
  };
}
