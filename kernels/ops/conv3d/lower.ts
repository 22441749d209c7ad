/** Lowering that conv3d and the transposed convolution share: a gather with packed weights. */
import { type Lowering, tensor, type TensorSpec } from "../../spec.ts";
import { type KernelDraft, scratch } from "../../wgsl/module.ts";
import { shapeText } from "../elementwise.ts";
import { type GatherDraft, gatherKernel, tileQuery } from "./gather.wgsl.ts";
import { packedCount, packKernel } from "./pack.wgsl.ts";
import { candidateTiles } from "./tile.ts";
import { gatherKey, tunedTile } from "./tuning.ts";

/** Weights `[O, I, K]` of a gather, and which of their input channels take part; all unless said otherwise. */
export interface GatherWeights {
  readonly spec: TensorSpec;
  readonly binding: KernelDraft["bindings"][number];
  readonly first?: number;
  readonly channels?: number;
}

/** Packs the weights into scratch, then gathers into output 0. Forward gathers sum over I, transposed ones over O. */
export function lowerGather(
  draft: Omit<GatherDraft, "weights">,
  weights: GatherWeights,
): Lowering {
  const [outChannels, inChannels] = weights.spec.shape;
  const by = draft.direction === "forward" ? "input" : "output";
  const { first = 0, channels = inChannels } = weights;
  const key = gatherKey(draft);
  const candidates = candidateTiles(tileQuery(draft));
  const tile = tunedTile(draft.device.tiles?.[key], candidates) ?? candidates[0];
  const pack = {
    by,
    outChannels,
    inChannels,
    first,
    channels,
    kernel: draft.geometry.kernel,
    group: 4 * tile.quads,
  } as const;
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
        target: scratch(0, "packed", "read_write"),
      }),
      gatherKernel({ ...draft, weights: scratch(0, "weights", "read") }, tile),
    ],
  };
}
