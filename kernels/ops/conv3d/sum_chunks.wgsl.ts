// Second stage of a weight gradient: adds the chunks of partial sums in order.
// Layout   partials: [chunk, total]; sums: [total]      Work  1 thread = 1 sum      Limits 2 storage bindings
// Siblings weight_gradient.wgsl.ts (first stage)   Reference reference.ts
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import type { Store } from "../accumulation.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";

/** Sums over chunks. */
export interface ChunkSums {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly chunks: number;
  readonly total: number;
  readonly partial: KernelDraft["bindings"][number];
  readonly sums: KernelDraft["bindings"][number];
  /** Writes the sums, or adds them onto what is there. */
  readonly store: Store;
}

/** Text and grid of the second stage. */
export function sumChunksKernel(draft: ChunkSums): KernelSpec {
  const { total, chunks, store } = draft;
  const sums = { ...draft.sums, name: "sums" };
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [{ ...draft.partial, name: "partials" }, sums],
    params: { total, chunks, ...store.params },
    groups: Math.ceil(total / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
var sum = 0.0;
for (var k = 0u; k < p.chunks; k++) { sum = sum + partials[k * p.total + tid]; }
${store.into(sums, "tid", "sum")}`,
  });
}
