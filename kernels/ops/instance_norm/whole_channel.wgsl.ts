// A sum over the voxels of a channel, then a map over them that uses it, in one dispatch.
// Layout   [N, C, voxels] or the kept blocks of it, walked in elements of one or four numbers (channelwise.ts)
// Work     1 workgroup = the voxels of a channel in `samples` samples, one after another; tree sum in between
// Limits   too few workgroups, or too many terms a thread, for long channels: see wholeChannels()
// Siblings channelSums + channelMap of channelwise.ts, with a kernel between them
import { type DeviceFacts, elementCount, type Lowering, type TensorSpec } from "../../spec.ts";
import { type Binding, kernel, type Param } from "../../wgsl/module.ts";
import { treeThreads } from "../../wgsl/reduce.ts";
import { channelWalk, sumSplits } from "../channelwise.ts";

/** Sum and map over whole channels. Statements see `nc`, `n`, `c`, and in loops `i` and `m`, as in a channel map. */
export interface WholeChannelDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly bindings: readonly Binding[];
  /** Number of the input that is the block table, for the block layout. */
  readonly table?: number;
  readonly params?: Readonly<Record<string, Param>>;
  /** Samples that one workgroup goes through: 1, or all of them where something is summed over them. */
  readonly samples: number;
  /** Statements before all samples, before each of them and behind them all. */
  readonly start?: string;
  readonly sample?: string;
  readonly finish?: string;
  /** Statements before a run of elements (see `first`, the first of them), for every element, and after it: `sum: vec4f`. */
  readonly before: string;
  readonly sum: string;
  readonly after: string;
  /** WGSL that joins `joined` and `sum`, both `vec4f`. */
  readonly join: string;
  /** Tree reduction for a number of threads: its declaration and the call that reduces `joined`. */
  readonly tree: (threads: number) => { readonly declaration: string; readonly call: string };
  /** Statements between sum and map, which see `reduced: vec4f`. */
  readonly between: string;
  readonly each: string;
}

/** Workgroups that keep a software device busy. */
const SOFTWARE_GROUPS = 4;
/** Most voxels that one workgroup goes through on a GPU, in all its samples. */
const GPU_VOXELS = 2 ** 15;
const GPU_THREADS = 256;
/** Elements that a thread sums by themselves: rounding grows with the number of terms. */
const RUN = 64;

/**
 * Whether one workgroup a channel is the better way. On GPUs: where the voxels would be summed by one workgroup anyway. On
 * software devices: wherever there are as many channels as cores, because a dispatch costs more than what it shares out.
 */
export function wholeChannels(spec: TensorSpec, device: DeviceFacts): boolean {
  const [n, c, ...stored] = spec.shape;
  if (device.software && c >= SOFTWARE_GROUPS) return true;
  return sumSplits(spec) === 1 && (device.software || n * elementCount(stored) <= GPU_VOXELS);
}

/**
 * The one kernel of an operation that goes through whole channels.
 * @param variant what tells visible voxels, see `visibleOf`
 */
export function lowerWholeChannels(variant: string, draft: WholeChannelDraft): Lowering {
  const { device, spec, samples } = draft;
  const [n, c] = spec.shape;
  const walk = channelWalk({ ...draft, lanes: true });
  const threads = treeThreads(device, GPU_THREADS);
  const tree = draft.tree(threads);
  const loop = (start: string, end: string, statements: string) =>
    `for (var v = ${start}; v < ${end}; v += ${threads}u) {
    let i = nc * p.voxels + v; let m = n * p.voxels + v;
    ${statements}
  }`;
  const whole = kernel({
    label: draft.label,
    device,
    workgroupSize: threads,
    bindings: walk.bindings,
    declarations: `${walk.declarations}\n${tree.declaration}`,
    params: { ...walk.params, samples, ...draft.params },
    groups: n / samples * c,
    body: `
let c = group % p.channels; let sample = group / p.channels * p.samples;
${draft.start ?? ""}
for (var n = sample; n < sample + p.samples; n++) {
  let nc = n * p.channels + c;
  let end = ${walk.end};
  ${draft.sample ?? ""}
  var joined = vec4f();
  for (var run = lid; run < end; run += ${threads * RUN}u) {
    let first = nc * p.voxels + run;
    var sum = vec4f();
    ${draft.before}
    ${loop("run", `min(end, run + ${threads * RUN}u)`, draft.sum)}
    ${draft.after}
    joined = ${draft.join};
  }
  let reduced = ${tree.call};
  ${draft.between}
  ${loop("lid", "end", draft.each)}
}
${draft.finish ?? ""}`,
  });
  return { variant: `${variant}, whole channels`, scratch: [], kernels: [whole] };
}
