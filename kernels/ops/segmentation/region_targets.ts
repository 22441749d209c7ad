/** Turns label maps into one binary channel a region. */
import { type OpDef, tensor, type TensorSpec } from "../../spec.ts";
import { input, output } from "../../wgsl/module.ts";
import { channelMap } from "../channelwise.ts";
import { require, requireSingle, streamCost, volume } from "../check.ts";
import { shapeText } from "../elementwise.ts";

/** Attributes of {@link regionTargets}. */
export interface RegionTargetsAttrs {
  /** Label values of each region. */
  readonly regions: readonly (readonly number[])[];
  /** Voxels with this label count nowhere, nor do those with a negative one; null when there is no such label. */
  readonly ignoreLabel: number | null;
}

function sizesOf([labels]: readonly TensorSpec[], { regions }: RegionTargetsAttrs) {
  const sizes = volume("regionTargets", "labels", labels);
  require(sizes.c === 1, "regionTargets", `labels have ${sizes.c} channels, wanted 1`, sizes.c, 1);
  requireSingle("regionTargets", "labels", labels);
  require(regions.length > 0, "regionTargets", "found no region, wanted at least one");
  return sizes;
}

/** WGSL condition that `label` is one of some values, runs of them as ranges. */
function isOneOf(values: readonly number[]): string {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const value of sorted) {
    const last = ranges.at(-1);
    if (last && value === last[1] + 1) last[1] = value;
    else ranges.push([value, value]);
  }
  return ranges.map(([from, to]) => `((label >= V(${from}.0)) & (label <= V(${to}.0)))`).join(" | ") || "B()";
}

/**
 * `y[n, r, p] = 1` where the label of the voxel is one of region r's, else 0; -1 in every channel where the voxel does not count.
 *
 * Input: labels `[N, 1, D, H, W]`, whole numbers; output `[N, R, D, H, W]`, the targets of `diceBce`. No gradient.
 * The regions are part of the kernel's text: one text a data set.
 * @throws {ShapeError} when the labels have another shape or there is no region
 * Source: region-based training, Isensee et al. 2018 (arXiv:1809.10483).
 */
export const regionTargets: OpDef<RegionTargetsAttrs> = {
  name: "regionTargets",
  recompute: [0],
  infer(inputs, attrs) {
    const { n, size } = sizesOf(inputs, attrs);
    return [tensor([n, attrs.regions.length, ...size])];
  },
  cost: (inputs, outputs) => streamCost(inputs, outputs, 0),
  lower({ inputs: [labels], outputs, attrs: { regions, ignoreLabel }, device }) {
    const stores = regions.map((values, r) =>
      `y[at + ${r}u * p.voxels] = select(V(-1.0), select(V(), V(1.0), ${isOneOf(values)}), counts);`
    );
    return {
      variant: "voxels",
      scratch: [],
      kernels: [channelMap({
        label: `regionTargets ${shapeText(outputs[0])}`,
        device,
        spec: labels,
        lanes: true,
        bindings: [input(0, "labels"), output(0, "y")],
        params: { ignored: { f32: ignoreLabel ?? -1 } },
        each: `let label = labels[m];
    let counts = (label >= V()) & (label != V(p.ignored));
    let at = n * ${regions.length}u * p.voxels + v;
    ${stores.join("\n    ")}`,
      })],
    };
  },
  reference({ inputs: [labels], inputSpecs, attrs }) {
    const { n, voxels } = sizesOf(inputSpecs, attrs);
    const { regions, ignoreLabel } = attrs;
    const y = new Float64Array(n * regions.length * voxels);
    labels.forEach((label, i) => {
      const counts = label >= 0 && label !== ignoreLabel;
      regions.forEach((values, r) => {
        const at = (Math.floor(i / voxels) * regions.length + r) * voxels + i % voxels;
        y[at] = counts ? Number(values.includes(label)) : -1;
      });
    });
    return [y];
  },
};
