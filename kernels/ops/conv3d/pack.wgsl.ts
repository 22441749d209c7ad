// Reorders convolution weights for gather.wgsl.ts: [O, I, K] -> [M / group, kd, C, kh kw, group], zero padded, so that the
// weights of a thread lie one after another.
//   by input   C = I, M = O: packed value = w[m, first + c, k]       (forward)
//   by output  C = O, M = `channels` of I: packed value = w[c, first + m, k]  (transposed)
// Layout   w: PyTorch order; K = kd kh kw      Work  1 thread = the weights of one C and one group   Reference: index arithmetic
import type { DeviceFacts, Dims3, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import { volumeOf } from "./geometry.ts";

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
  readonly kernel: Dims3;
  /** Output channels of the gather that stay together. */
  readonly group: number;
  readonly source: KernelDraft["bindings"][number];
  readonly target: KernelDraft["bindings"][number];
}

/** Elements of the packed tensor. */
export function packedCount(
  draft: Pick<PackDraft, "by" | "outChannels" | "channels" | "kernel" | "group">,
): number {
  const [c, m] = draft.by === "input"
    ? [draft.channels, draft.outChannels]
    : [draft.outChannels, draft.channels];
  return c * volumeOf(draft.kernel) * Math.ceil(m / draft.group) * draft.group;
}

/** Text and grid of the packing. */
export function packKernel(draft: PackDraft): KernelSpec {
  const [c, m] = draft.by === "input"
    ? [draft.channels, draft.outChannels]
    : [draft.outChannels, draft.channels];
  const threads = c * Math.ceil(m / draft.group);
  const [row, column] = draft.by === "input" ? ["m", "p.first + c"] : ["c", "p.first + m"];
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [draft.source, draft.target],
    params: {
      threads,
      m,
      c,
      group: draft.group,
      depth: draft.kernel[0],
      inPlane: draft.kernel[1] * draft.kernel[2],
      inChannels: draft.inChannels,
      first: draft.first,
    },
    groups: Math.ceil(threads / WORKGROUP),
    body: `
if (tid >= p.threads) { return; }
let c = tid % p.c; let b = tid / p.c;
for (var z = 0u; z < p.depth; z++) {
  for (var k = 0u; k < p.inPlane; k++) {
    let to = (((b * p.depth + z) * p.c + c) * p.inPlane + k) * p.group;
    for (var j = 0u; j < p.group; j++) {
      let m = b * p.group + j;
      let at = ((${row}) * p.inChannels + ${column}) * p.depth * p.inPlane + z * p.inPlane + k;
      packed[to + j] = select(0.0, w[at], m < p.m);
    }
  }
}`,
  });
}
