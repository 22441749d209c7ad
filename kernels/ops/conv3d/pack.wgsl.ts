// Reorders convolution weights for gather.wgsl.ts: [O, I, K] -> [C, K, M rounded up to 4], zero padded.
//   by input   C = I, M = O: packed[c,k,m] = w[m, first + c, k]       (forward)
//   by output  C = O, M = `channels` of I: packed[c,k,m] = w[c, first + m, k]  (transposed)
// Layout   w: PyTorch order; K = product of kernel extents      Work  1 thread = 1 packed value   Reference: index arithmetic
import type { DeviceFacts, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";

/** Sizes of a packing. */
export interface PackDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly by: "input" | "output";
  readonly outChannels: number;
  readonly inChannels: number;
  /** First and number of input channels used when packing by output. */
  readonly first: number;
  readonly channels: number;
  readonly taps: number;
  readonly source: KernelDraft["bindings"][number];
  readonly target: KernelDraft["bindings"][number];
}

/** Elements of the packed tensor. */
export function packedCount(draft: Pick<PackDraft, "by" | "outChannels" | "channels" | "taps">): number {
  const [c, m] = draft.by === "input"
    ? [draft.channels, draft.outChannels]
    : [draft.outChannels, draft.channels];
  return c * draft.taps * Math.ceil(m / 4) * 4;
}

/** Text and grid of the packing. */
export function packKernel(draft: PackDraft): KernelSpec {
  const total = packedCount(draft);
  const m = draft.by === "input" ? draft.outChannels : draft.channels;
  const [row, column] = draft.by === "input" ? ["m", "p.first + c"] : ["c", "p.first + m"];
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [draft.source, draft.target],
    params: {
      total,
      m,
      padded: Math.ceil(m / 4) * 4,
      taps: draft.taps,
      inChannels: draft.inChannels,
      first: draft.first,
    },
    groups: Math.ceil(total / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
let m = tid % p.padded;
let k = (tid / p.padded) % p.taps;
let c = tid / (p.padded * p.taps);
packed[tid] = select(0.0, w[(${row} * p.inChannels + ${column}) * p.taps + k], m < p.m);`,
  });
}
