/** Lowering that conv3d and the transposed convolution share: a gather with packed weights. */
import { type Accumulation, type KernelSpec, type Lowering, tensor, type TensorSpec } from "../../spec.ts";
import { type KernelDraft, scratch } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";
import { gatherKernel, type GatherShape, tileQuery } from "./gather.wgsl.ts";
import { packedCount, packedWeights, packKernel } from "./pack.wgsl.ts";
import { candidateTiles } from "./tile.ts";
import { gatherKey, tunedTile } from "./tuning.ts";

type Binding = KernelDraft["bindings"][number];

/** Weights `[O, I, K]` of a gather. */
export interface GatherWeights {
  readonly spec: TensorSpec;
  readonly binding: Binding;
  readonly bias?: Binding | null;
  /** What the gather sums over: I (a convolution) or O (its transpose). */
  readonly by: "input" | "output";
  /** Whether taps go from the last to the first. */
  readonly flipped?: boolean;
  /** The input channels that take part when summing over O; all unless said otherwise. */
  readonly first?: number;
  readonly channels?: number;
}

/**
 * Packs the weights into scratch, then gathers into output 0. On a software device, several sources of an f32 output are
 * gathered one after another, each onto the sum of those before it: compiling a kernel for all of them takes longer.
 *
 * @param accumulate the addition onto output 0 that is asked for, if any
 */
export function lowerGather(draft: GatherShape, weights: GatherWeights, accumulate?: Accumulation): Lowering {
  const [outChannels, inChannels] = weights.spec.shape;
  const { by, bias = null, flipped = false, first = 0, channels = inChannels } = weights;
  const key = gatherKey(draft);
  const candidates = candidateTiles(tileQuery(draft));
  const tile = tunedTile(draft.device.tiles?.[key], candidates) ?? candidates[0];
  const pack = {
    by,
    flipped,
    outChannels,
    inChannels,
    first,
    channels,
    kernel: draft.geometry.kernel,
    group: 4 * tile.quads,
  } as const;
  const apart = draft.device.software && draft.outType === "f32";
  const parts = apart ? draft.sources.map((source) => [source]) : [draft.sources];
  let before = 0;
  const gathers = parts.map((sources, part): KernelSpec => {
    const first = before;
    before += sources.reduce((sum, source) => sum + source.channels, 0);
    return gatherKernel({
      ...draft,
      sources: sources.map((s, i) => ({ ...s, binding: { ...s.binding, name: `x${i}` } })),
      weights: scratch(0, "weights", "read"),
      packedChannels: by === "input" ? channels : outChannels,
      first,
      biasAt: bias && part === 0 ? packedWeights(pack) / 4 : null,
      adds: accumulate !== undefined || part > 0,
      scale: accumulate?.scale ?? 1,
    }, tile);
  });
  return {
    variant: "gather",
    choice: { key, tile, candidates },
    scratch: [tensor([packedCount(pack)])],
    kernels: [
      packKernel({
        ...pack,
        label: `pack by ${by} ${shapeText(weights.spec)}`,
        device: draft.device,
        source: weights.binding,
        bias,
        target: scratch(0, "packed", "read_write"),
      }),
      ...gathers,
    ],
  };
}
