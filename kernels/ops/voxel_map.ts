/** A kernel that visits every voxel of every channel and knows where it is. */
import { type DeviceFacts, elementCount, type KernelSpec, type TensorSpec } from "../spec.ts";
import { type Binding, kernel, type Param, WORKGROUP } from "../wgsl/module.ts";

/** Voxels of a thread. Software devices start workgroups one after another: fewer of them end sooner where there is nothing to do. */
const PER_THREAD = { gpu: 8, software: 64 } as const;

/** One map over the voxels of a dense `[N, C, D, H, W]`. */
export interface VoxelMapDraft {
  readonly label: string;
  readonly device: DeviceFacts;
  readonly spec: TensorSpec;
  readonly bindings: readonly Binding[];
  readonly params: Readonly<Record<string, Param>>;
  readonly declarations?: string;
  /** Statements before the loop, which may end the workgroup; see `nc` (sample and channel), `n`, `c`. */
  readonly before: string;
  /**
   * Statements for one voxel; see also `i` (flat index), `v` (index within the channel) and its place `vz`, `vy`, `vx`. No
   * `continue`.
   */
  readonly each: string;
}

/** Places are divided out for a thread's first voxel only: an integer division costs software devices as much as a load. */
export function voxelMap(draft: VoxelMapDraft): KernelSpec {
  const [n, channels, d, h, w] = draft.spec.shape;
  const perThread = PER_THREAD[draft.device.software ? "software" : "gpu"];
  const voxels = elementCount([d, h, w]), chunks = Math.ceil(voxels / (WORKGROUP * perThread));
  const stepX = WORKGROUP % w, lines = Math.floor(WORKGROUP / w);
  return kernel({
    label: draft.label,
    device: draft.device,
    bindings: draft.bindings,
    declarations: draft.declarations,
    params: {
      channels,
      voxels,
      chunks,
      perThread,
      h,
      w,
      stepX,
      stepY: lines % h,
      stepZ: Math.floor(lines / h),
      ...draft.params,
    },
    groups: n * channels * chunks,
    body: `
let nc = group / p.chunks; let n = nc / p.channels; let c = nc - n * p.channels;
${draft.before}
let begin = (group - nc * p.chunks) * p.perThread * ${WORKGROUP}u + lid;
let end = min(begin + p.perThread * ${WORKGROUP}u - lid, p.voxels);
let beginLine = begin / p.w; let beginSlice = beginLine / p.h;
var vx = begin - beginLine * p.w; var vy = beginLine - beginSlice * p.h; var vz = beginSlice;
for (var v = begin; v < end; v += ${WORKGROUP}u) {
  let i = nc * p.voxels + v;
  ${draft.each.trim()}
  vx += p.stepX; vy += p.stepY; vz += p.stepZ;
  if (vx >= p.w) { vx -= p.w; vy += 1u; }
  if (vy >= p.h) { vy -= p.h; vz += 1u; }
}`,
  });
}
