/** Shared parts of kernels that treat `[N, C, D, H, W]` channel by channel: maps over voxels and sums over voxels. */
import { type DeviceFacts, type KernelSpec, tensor, type TensorSpec } from "../spec.ts";
import { kernel, type KernelDraft, type Param, scratch, WORKGROUP } from "../wgsl/module.ts";
import { treeSum } from "../wgsl/reduce.ts";

type Binding = KernelDraft["bindings"][number];

/** Voxels that one thread of a channel map handles, `WORKGROUP` apart. */
const PER_THREAD = 8;
/** Voxels that one thread of a sum handles before sums are split over more workgroups. */
const SUM_PER_THREAD = 32;

/** One map over the voxels of every channel. */
export interface ChannelMapDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly bindings: readonly Binding[];
  readonly params?: Readonly<Record<string, Param>>;
  /** Statements before the loop; see `nc` (sample and channel), `n`, `c`. */
  readonly before?: string;
  /** Statements for one voxel; see also `i` (flat index) and `m` (flat index into a one-channel tensor of the same size). */
  readonly each: string;
  readonly declarations?: string;
}

/** A kernel that runs `each` for every voxel of every channel. */
export function channelMap(draft: ChannelMapDraft): KernelSpec {
  const [n, c, d, h, w] = draft.spec.shape;
  const voxels = d * h * w;
  const chunks = Math.ceil(voxels / (WORKGROUP * PER_THREAD));
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: draft.bindings,
    declarations: draft.declarations,
    params: { channels: c, voxels, chunks, ...draft.params },
    groups: n * c * chunks,
    body: `
let nc = group / p.chunks; let n = nc / p.channels; let c = nc % p.channels;
let first = (group % p.chunks) * ${WORKGROUP * PER_THREAD}u + lid;
${draft.before ?? ""}
for (var k = 0u; k < ${PER_THREAD}u; k++) {
  let v = first + k * ${WORKGROUP}u;
  if (v < p.voxels) {
    let i = nc * p.voxels + v; let m = n * p.voxels + v;
    ${draft.each}
  }
}`,
  });
}

/** Workgroups a channel that share a sum over its voxels. */
export function sumSplits(spec: TensorSpec): number {
  const [, , d, h, w] = spec.shape;
  return Math.min(64, Math.ceil(d * h * w / (WORKGROUP * SUM_PER_THREAD)));
}

/** Spec of the partial sums of {@link channelSums}: `[N * C, splits, 4]`. */
export function partialSpec(spec: TensorSpec): TensorSpec {
  return tensor([spec.shape[0] * spec.shape[1], sumSplits(spec), 4]);
}

/** Sums over the voxels of every channel, in two stages of fixed order. */
export interface ChannelSumDraft extends Omit<ChannelMapDraft, "declarations"> {
  /** As in a map, but the statements add to `sum: vec4f`. */
  readonly each: string;
  /** Number of the scratch tensor of {@link partialSpec}. */
  readonly partial: number;
  /** Tree reduction: its declaration and the call that reduces `sum`. */
  readonly tree?: { readonly declaration: string; readonly call: string };
}

/** Stage 1: partial sums by channel and split. */
export function channelSums(draft: ChannelSumDraft): KernelSpec {
  const [n, c, d, h, w] = draft.spec.shape;
  const voxels = d * h * w;
  const splits = sumSplits(draft.spec);
  const tree = draft.tree ?? { declaration: treeSum("tree", WORKGROUP), call: "treeSum(lid, sum)" };
  return kernel({
    label: `${draft.label} partial`,
    device: draft.device,
    bindings: [...draft.bindings, scratch(draft.partial, "partials", "read_write", "vec4f")],
    declarations: tree.declaration,
    params: { channels: c, voxels, splits, length: Math.ceil(voxels / splits), ...draft.params },
    groups: n * c * splits,
    body: `
let nc = group / p.splits; let n = nc / p.channels; let c = nc % p.channels; let split = group % p.splits;
let end = min((split + 1u) * p.length, p.voxels);
var sum = vec4f();
${draft.before ?? ""}
for (var v = split * p.length + lid; v < end; v += ${WORKGROUP}u) {
  let i = nc * p.voxels + v; let m = n * p.voxels + v;
  ${draft.each}
}
let total = ${tree.call};
if (lid == 0u) { partials[group] = total; }`,
  });
}

/**
 * Stage 2 over samples and channels: one thread a channel of a sample adds the splits into `sum` and runs `store`.
 *
 * @param draft.store statements that see `nc`, `n`, `c` and `sum: vec4f`
 */
export function finishPerSample(draft: {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly bindings: readonly Binding[];
  readonly partial: number;
  readonly combine?: string;
  readonly declarations?: string;
  readonly params?: Readonly<Record<string, Param>>;
  readonly store: string;
}): KernelSpec {
  const [n, c] = draft.spec.shape;
  return kernel({
    label: `${draft.label} finish`,
    device: draft.device,
    bindings: [scratch(draft.partial, "partials", "read", "vec4f"), ...draft.bindings],
    declarations: draft.declarations,
    params: { total: n * c, channels: c, splits: sumSplits(draft.spec), ...draft.params },
    groups: Math.ceil(n * c / WORKGROUP),
    body: `
if (tid >= p.total) { return; }
let nc = tid; let n = nc / p.channels; let c = nc % p.channels;
var sum = vec4f();
for (var s = 0u; s < p.splits; s++) { let part = partials[nc * p.splits + s]; sum = ${
      draft.combine ?? "sum + part"
    }; }
${draft.store}`,
  });
}

/** Stage 2 over the batch: one thread a channel adds samples and splits into `sum` and runs `store`, which sees `c`. */
export function finishPerChannel(draft: {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly bindings: readonly Binding[];
  readonly partial: number;
  readonly store: string;
}): KernelSpec {
  const [n, c] = draft.spec.shape;
  return kernel({
    label: `${draft.label} finish`,
    device: draft.device,
    bindings: [scratch(draft.partial, "partials", "read", "vec4f"), ...draft.bindings],
    params: { samples: n, channels: c, splits: sumSplits(draft.spec) },
    groups: Math.ceil(c / WORKGROUP),
    body: `
if (tid >= p.channels) { return; }
let c = tid;
var sum = vec4f();
for (var n = 0u; n < p.samples; n++) {
  for (var s = 0u; s < p.splits; s++) { sum = sum + partials[(n * p.channels + c) * p.splits + s]; }
}
${draft.store}`,
  });
}
