// Moments and range of the channels whose parameter at a place is not 0.
//   statistics[2 nc] = (count, mean, sum of squared deviations, 0),  statistics[2 nc + 1] = (-min, max, 0, 0)
// Layout   y: [N, C, D, H, W]; partials: [N * C, splits, 2] vec4; statistics: [N * C, 2] vec4
// Work     partial: several workgroups a channel, each thread about the first voxel of its share; finish: 1 thread a channel
// Limits   channels whose parameter is 0 are skipped; their statistics are never written and must not be read
// Bindings 3 or 4 of 8      Siblings channelwise.ts (sums over every channel)      Reference statistics.ts
import { type DeviceFacts, type KernelSpec, tensor, type TensorSpec } from "../../spec.ts";
import { type Binding, kernel, type Param, scratch, WORKGROUP } from "../../wgsl/module.ts";
import { MERGE_MOMENTS, treeMax, treeMoments, treeThreads } from "../../wgsl/reduce.ts";
import { CHANNEL_AT } from "../augment/parameters.ts";
import { sumSplits } from "../channelwise.ts";
import { shapeText } from "../elementwise.ts";
import { CHANNEL_PLACE, type ChannelPlace, IMAGE_READ, PARAMETERS } from "./in_place.ts";

/** What is counted: the image itself, or a function of it. */
export interface StatisticsDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly image: TensorSpec;
  /** Numbers of a row of parameters. */
  readonly row: number;
  /** The parameter that tells whether a channel takes part. */
  readonly place: ChannelPlace;
  /** Numbers of the scratch tensors of {@link statisticsScratch}. */
  readonly partials: number;
  readonly statistics: number;
  /** Counts `value` instead of the image: an expression of `x`; statements that it needs, which see `at` and `nc`, come before. */
  readonly of?: {
    readonly value: string;
    readonly before: string;
    readonly declarations: string;
    readonly bindings: readonly Binding[];
    readonly params: Readonly<Record<string, Param>>;
  };
}

/** Scratch tensors: partial sums, statistics. */
export function statisticsScratch(image: TensorSpec): readonly [TensorSpec, TensorSpec] {
  const channels = image.shape[0] * image.shape[1];
  return [tensor([channels, sumSplits(image), 8]), tensor([channels, 8])];
}

/** Both stages, in a fixed order of summation. */
export function statisticsKernels(draft: StatisticsDraft): readonly KernelSpec[] {
  const { device, image, row, of } = draft;
  const [n, channels, ...size] = image.shape;
  const voxels = size.reduce((product, extent) => product * extent, 1), splits = sumSplits(image);
  const threads = treeThreads(device);
  const flag = CHANNEL_AT[draft.place];
  return [
    kernel({
      label: `${draft.label} statistics ${shapeText(image)} partial`,
      device,
      bindings: [
        PARAMETERS,
        IMAGE_READ,
        ...(of?.bindings ?? []),
        scratch(draft.partials, "partials", "read_write", "vec4f"),
      ],
      params: { row, channels, voxels, splits, flag, ...of?.params },
      workgroupSize: threads,
      groups: n * channels * splits,
      declarations: [
        treeMoments("moments", threads, device),
        treeMax("largest", threads, device),
        of?.declarations ?? "",
      ].join("\n"),
      body: `
let nc = group / p.splits; let n = nc / p.channels; let c = nc - n * p.channels; let split = group - nc * p.splits;
${CHANNEL_PLACE}
if (parameters[at + p.flag] == 0.0) { return; }
${of?.before ?? ""}
let share = (p.voxels + p.splits - 1u) / p.splits;
let end = min((split + 1u) * share, p.voxels);
var shift = 0.0; var count = 0.0; var s1 = 0.0; var s2 = 0.0;
var extent = vec4f(-3.4e38, -3.4e38, 0.0, 0.0);
for (var v = split * share + lid; v < end; v += ${threads}u) {
  let x = y[nc * p.voxels + v];
  let value = ${of?.value ?? "x"};
  if (count == 0.0) { shift = value; }
  let d = value - shift;
  count += 1.0; s1 += d; s2 += d * d;
  extent = max(extent, vec4f(-value, value, 0.0, 0.0));
}
var mine = vec4f();
if (count > 0.0) { mine = vec4f(count, shift + s1 / count, max(0.0, s2 - s1 * s1 / count), 0.0); }
let whole = momentsMerge(lid, mine);
let widest = largestMax(lid, extent);
if (lid == 0u) { partials[2u * group] = whole; partials[2u * group + 1u] = widest; }`,
    }),
    kernel({
      label: `${draft.label} statistics ${shapeText(image)} finish`,
      device,
      bindings: [
        PARAMETERS,
        scratch(draft.partials, "partials", "read", "vec4f"),
        scratch(draft.statistics, "statistics", "read_write", "vec4f"),
      ],
      params: { row, total: n * channels, channels, splits, flag },
      groups: Math.ceil(n * channels / WORKGROUP),
      declarations: MERGE_MOMENTS,
      body: `
if (tid >= p.total) { return; }
let n = tid / p.channels; let c = tid - n * p.channels;
${CHANNEL_PLACE}
if (parameters[at + p.flag] == 0.0) { return; }
var whole = partials[2u * tid * p.splits];
var widest = partials[2u * tid * p.splits + 1u];
for (var s = 1u; s < p.splits; s++) {
  whole = mergeMoments(whole, partials[2u * (tid * p.splits + s)]);
  widest = max(widest, partials[2u * (tid * p.splits + s) + 1u]);
}
statistics[2u * tid] = whole;
statistics[2u * tid + 1u] = widest;`,
    }),
  ];
}

/** Reads what {@link statisticsKernels} wrote. */
export function statisticsBinding(index: number, name: string): Binding {
  return scratch(index, name, "read", "vec4f");
}
