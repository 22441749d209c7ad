// Second stage of a weight gradient: adds the chunks of partial sums in order.
// Layout   partials: [chunk, total]; sums: [total]      Work  1 thread = 1 sum      Limits 2 storage bindings
// Siblings weight_gradient.wgsl.ts (first stage)   Reference reference.ts
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";

/** Sums over chunks. */
export interface ChunkSums {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly chunks: number;
  readonly total: number;
  readonly partial: KernelDraft["bindings"][number];
  readonly sums: KernelDraft["bindings"][number];
}

/** Text and grid of the second stage. */
export function sumChunksKernel(draft: ChunkSums): KernelSpec {
  const { total, chunks } = draft;
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [{ ...draft.partial, name: "partials" }, { ...draft.sums, name: "sums" }],
    params: { total, chunks },
    groups: Math.ceil(total / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
var sum = 0.0;
for (var k = 0u; k < p.chunks; k++) { sum = sum + partials[k * p.total + tid]; }
sums[tid] = sum;`,
  });
}
