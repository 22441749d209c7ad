// Reorders convolution weights for gather.wgsl.ts: [O, I, K] -> [M / group, kd, C, kh kw, group], zero padded, so that the
// weights of a thread lie one after another; the bias follows, [M / group, group], zeros where there is none.
//   by input   C = I, M = O: packed value = w[m, first + c, k]                 (forward)
//   by output  C = O, M = `channels` of I: packed value = w[c, first + m, k]   (transposed)
//   flipped    k from the last to the first: a transposed convolution of stride 1 is a forward one with flipped weights
// Layout   w: PyTorch order; K = kd kh kw      Work  1 thread = the weights of one C and one group, or the bias of a group
// Limits   3 storage bindings      Reference: index arithmetic
import type { DeviceFacts, Dims3, KernelSpec } from "../../spec.ts";
import { kernel, type KernelDraft, WORKGROUP } from "../../wgsl/module.ts";
import { volumeOf } from "./geometry.ts";

/** Sizes of a packing. */
export interface PackDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly by: "input" | "output";
  readonly flipped: boolean;
  readonly outChannels: number;
  readonly inChannels: number;
  /** First and number of input channels used when packing by output. */
  readonly first: number;
  readonly channels: number;
  readonly kernel: Dims3;
  /** Output channels of the gather that stay together. */
  readonly group: number;
  readonly source: KernelDraft["bindings"][number];
  readonly bias: KernelDraft["bindings"][number] | null;
  readonly target: KernelDraft["bindings"][number];
}

type Extents = Pick<PackDraft, "by" | "outChannels" | "channels" | "kernel" | "group">;

function sidesOf({ by, channels, outChannels }: Extents): { c: number; m: number } {
  return by === "input" ? { c: channels, m: outChannels } : { c: outChannels, m: channels };
}

/** Elements of the packed weights, without the bias behind them. */
export function packedWeights(draft: Extents): number {
  const { c, m } = sidesOf(draft);
  return c * volumeOf(draft.kernel) * Math.ceil(m / draft.group) * draft.group;
}

/** Elements of the packed tensor. */
export function packedCount(draft: Extents): number {
  return packedWeights(draft) + Math.ceil(sidesOf(draft).m / draft.group) * draft.group;
}

/** Text and grid of the packing. */
export function packKernel(draft: PackDraft): KernelSpec {
  const { by, group, inChannels, first, source } = draft;
  const { c, m } = sidesOf(draft);
  const groups = Math.ceil(m / group);
  const taps = volumeOf(draft.kernel);
  const [row, column] = [inChannels * taps, taps];
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: [source, { ...draft.bias ?? source, name: "bias" }, draft.target],
    params: {
      threads: (c + 1) * groups,
      m,
      c,
      group,
      depth: draft.kernel[0],
      inPlane: draft.kernel[1] * draft.kernel[2],
      byM: by === "input" ? row : column,
      byC: by === "input" ? column : row,
      start: first * taps,
      flipped: draft.flipped ? 1 : 0,
      biasAt: packedWeights(draft),
      biased: draft.bias ? 1 : 0,
    },
    groups: Math.ceil((c + 1) * groups / WORKGROUP),
    body: `
if (tid >= p.threads) { return; }
let c = tid % (p.c + 1u); let b = tid / (p.c + 1u);
if (c == p.c) {
  for (var j = 0u; j < p.group; j++) {
    let m = b * p.group + j;
    packed[p.biasAt + m] = select(0.0, bias[m], (m < p.m) & (p.biased != 0u));
  }
  return;
}
let taps = p.depth * p.inPlane;
for (var z = 0u; z < p.depth; z++) {
  for (var k = 0u; k < p.inPlane; k++) {
    let to = (((b * p.depth + z) * p.c + c) * p.inPlane + k) * p.group;
    let tap = z * p.inPlane + k;
    let source = p.start + c * p.byC + select(tap, taps - 1u - tap, p.flipped != 0u);
    for (var j = 0u; j < p.group; j++) {
      let m = b * p.group + j;
      packed[to + j] = select(0.0, w[source + m * p.byM], m < p.m);
    }
  }
}`,
  });
}
