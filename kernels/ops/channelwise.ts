/**
 * Shared parts of kernels that treat activations channel by channel: maps over voxels and sums over voxels.
 *
 * A channel is a run of elements: all voxels of a dense tensor, or in the block layout those of the kept blocks, which come
 * first; how many there are is read from the block table, and workgroups beyond them end at once.
 */
import { type DeviceFacts, elementCount, type KernelSpec, tensor, type TensorSpec } from "../spec.ts";
import { type Binding, input, kernel, type Param, scratch, storageType, WORKGROUP } from "../wgsl/module.ts";
import { treeSum, treeThreads } from "../wgsl/reduce.ts";
import { blockEdgeOf } from "./blocks/table.ts";

/** Elements (numbers, or four of them) that one thread of a channel map handles, `WORKGROUP` apart. */
const PER_THREAD = 8;
/** Voxels that a workgroup sums before sums are split over more of them. */
const SUM_PER_GROUP = 8192;

/** One map over the voxels of every channel. */
export interface ChannelMapDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  /**
   * Tensors with a voxel at `i` or `m` have the element type `V`, which is what a binding without a type gets, or that of
   * {@link elementOf} where they may be f16.
   */
  readonly bindings: readonly Binding[];
  /** Number of the input that is the block table; needed for the block layout, unused for dense tensors. */
  readonly table?: number;
  /**
   * The statements hold for `V = vec4f` (`B = vec4<bool>`) as well as for `V = f32` (`B = bool`): they write zero as `V()`,
   * compare with `V(0.5)`, add the lanes of an element with `total(V) -> f32` and take the first lane where a condition holds
   * with `firstLane(V, B) -> f32`. Then four voxels are one element where the channel's length allows.
   */
  readonly lanes?: boolean;
  readonly params?: Readonly<Record<string, Param>>;
  /** Statements before the loop; see `nc` (sample and channel), `n`, `c`. */
  readonly before?: string;
  /** Statements for one element; see also `i` (flat index) and, when dense, `m` (flat index into one channel of that size). */
  readonly each: string;
  readonly declarations?: string;
}

const FOUR_LANES = `alias V = vec4f;
alias B = vec4<bool>;
fn total(x: V) -> f32 { return (x.x + x.y) + (x.z + x.w); }
fn firstLane(x: V, at: B) -> f32 { return select(select(select(x.w, x.z, at.z), x.y, at.y), x.x, at.x); }`;
const ONE_LANE = `alias V = f32;
alias B = bool;
fn total(x: V) -> f32 { return x; }
fn firstLane(x: V, at: B) -> f32 { return x; }`;

/** How a kernel walks along a channel. */
export interface ChannelWalk {
  readonly declarations: string;
  readonly bindings: readonly Binding[];
  readonly params: Readonly<Record<string, Param>>;
  /** WGSL of the number of elements of sample `n` that count. */
  readonly end: string;
  /** Elements stored for a channel. */
  readonly stored: number;
}

/** Numbers that make up one element of a channel kernel with lanes. */
function laneCount(spec: TensorSpec): 1 | 4 {
  const run = spec.layout.kind === "blocks"
    ? elementCount(blockEdgeOf(spec))
    : elementCount(spec.shape.slice(2));
  return run % 4 === 0 ? 4 : 1;
}

/** Type of a binding that holds elements of `spec` in a channel kernel with lanes; to be read and written by load and store. */
export function elementOf(spec: TensorSpec): string {
  return storageType(spec.dtype, laneCount(spec));
}

/** How a kernel with these bindings walks along the channels of `spec`: its parameters, bindings and WGSL types. */
export function channelWalk(
  draft: Pick<ChannelMapDraft, "spec" | "bindings" | "table" | "lanes">,
): ChannelWalk {
  const { spec } = draft;
  const [, c, ...stored] = spec.shape;
  const blocks = spec.layout.kind === "blocks";
  const run = blocks ? elementCount(blockEdgeOf(spec)) : elementCount(stored);
  const lanes = draft.lanes ? laneCount(spec) : 1;
  const declarations = lanes === 4 ? FOUR_LANES : ONE_LANE;
  const bindings = draft.bindings.map((b) => ({ ...b, type: b.type ?? "V" }));
  const voxels = elementCount(stored) / lanes;
  if (spec.layout.kind !== "blocks") {
    return { declarations, bindings, params: { channels: c, voxels }, end: "p.voxels", stored: voxels };
  }
  const tableRow = 1 + elementCount(spec.layout.grid) + spec.shape[2];
  return {
    declarations,
    bindings: [...bindings, input(draft.table!, "table", "i32")],
    params: { channels: c, voxels, tableRow, perBlock: run / lanes },
    end: "u32(table[n * p.tableRow]) * p.perBlock",
    stored: voxels,
  };
}

/** A kernel that runs `each` for every voxel of every channel. */
export function channelMap(draft: ChannelMapDraft): KernelSpec {
  const [n, c] = draft.spec.shape;
  const walk = channelWalk(draft);
  const chunks = Math.ceil(walk.stored / (WORKGROUP * PER_THREAD));
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: walk.bindings,
    declarations: `${walk.declarations}\n${draft.declarations ?? ""}`,
    params: { ...walk.params, chunks, ...draft.params },
    groups: n * c * chunks,
    body: `
let nc = group / p.chunks; let n = nc / p.channels; let c = nc % p.channels;
let start = (group % p.chunks) * ${WORKGROUP * PER_THREAD}u;
let end = ${walk.end};
if (start >= end) { return; }
${draft.before ?? ""}
for (var k = 0u; k < ${PER_THREAD}u; k++) {
  let v = start + k * ${WORKGROUP}u + lid;
  if (v < end) {
    let i = nc * p.voxels + v; let m = n * p.voxels + v;
    ${draft.each}
  }
}`,
  });
}

/** Workgroups a channel that share a sum over its voxels. */
export function sumSplits(spec: TensorSpec): number {
  return Math.min(64, Math.ceil(elementCount(spec.shape.slice(2)) / SUM_PER_GROUP));
}

/** Spec of the partial sums of {@link channelSums}: `[N * C, splits, 4]`. */
export function partialSpec(spec: TensorSpec): TensorSpec {
  return tensor([spec.shape[0] * spec.shape[1], sumSplits(spec), 4]);
}

/** Sums over the voxels of every channel, in two stages of fixed order. */
export interface ChannelSumDraft extends ChannelMapDraft {
  /** As in a map, but the statements add to `sum: vec4f` or to variables of `before`, which see `first`, the first element. */
  readonly each: string;
  /** Statements after the loop that turn variables of `before` into `sum: vec4f`. */
  readonly after?: string;
  /** Number of the scratch tensor of {@link partialSpec}. */
  readonly partial: number;
  /** Tree reduction for a number of threads: its declaration and the call that reduces `sum`. */
  readonly tree?: (threads: number) => { readonly declaration: string; readonly call: string };
}

/** Stage 1: partial sums by channel and split. */
export function channelSums(draft: ChannelSumDraft): KernelSpec {
  const [n, c] = draft.spec.shape;
  const walk = channelWalk(draft);
  const threads = treeThreads(draft.device);
  const tree = draft.tree?.(threads) ??
    { declaration: treeSum("tree", threads, draft.device), call: "treeSum(lid, sum)" };
  return kernel({
    label: `${draft.label} partial`,
    device: draft.device,
    bindings: [...walk.bindings, scratch(draft.partial, "partials", "read_write", "vec4f")],
    declarations: [walk.declarations, tree.declaration, draft.declarations ?? ""].join("\n"),
    params: { ...walk.params, splits: sumSplits(draft.spec), ...draft.params },
    workgroupSize: threads,
    groups: n * c * sumSplits(draft.spec),
    body: `
let nc = group / p.splits; let n = nc / p.channels; let c = nc % p.channels; let split = group % p.splits;
let elements = ${walk.end};
let share = (elements + p.splits - 1u) / p.splits;
let end = min((split + 1u) * share, elements);
let first = nc * p.voxels + split * share + lid;
var sum = vec4f();
${draft.before ?? ""}
for (var v = split * share + lid; v < end; v += ${threads}u) {
  let i = nc * p.voxels + v; let m = n * p.voxels + v;
  ${draft.each}
}
${draft.after ?? ""}
let reduced = ${tree.call};
if (lid == 0u) { partials[group] = reduced; }`,
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
  readonly params?: Readonly<Record<string, Param>>;
  readonly store: string;
}): KernelSpec {
  const [n, c] = draft.spec.shape;
  return kernel({
    label: `${draft.label} finish`,
    device: draft.device,
    bindings: [scratch(draft.partial, "partials", "read", "vec4f"), ...draft.bindings],
    params: { samples: n, channels: c, splits: sumSplits(draft.spec), ...draft.params },
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
