/** Every operation at the shapes it has in a step of ResEnc-L on a 160^3 patch, one sample, or in prediction. */
import { getPatchSize } from "../data/sampler.ts";
import { accumulate } from "../kernels/ops/accumulate/op.ts";
import { add } from "../kernels/ops/add/op.ts";
import { assign } from "../kernels/ops/assign/op.ts";
import { affineResample } from "../kernels/ops/augment/op.ts";
import { TRANSFORM_LENGTH } from "../kernels/ops/augment/transform.ts";
import { cast } from "../kernels/ops/cast/op.ts";
import { channelSum } from "../kernels/ops/conv_transpose3d/op.ts";
import { diceBce } from "../kernels/ops/dice_ce/bce.ts";
import { diceCe } from "../kernels/ops/dice_ce/op.ts";
import { fill } from "../kernels/ops/fill/op.ts";
import { type InstanceNormAttrs, normInputs } from "../kernels/ops/instance_norm/inputs.ts";
import { instanceNorm } from "../kernels/ops/instance_norm/op.ts";
import { leakyRelu } from "../kernels/ops/leaky_relu/op.ts";
import { reconstructionError } from "../kernels/ops/loss/op.ts";
import { applyMask, expandMask, tokenFill } from "../kernels/ops/mask/op.ts";
import { writeMetrics } from "../kernels/ops/metrics/op.ts";
import { clipScale, sumSquares } from "../kernels/ops/optimizer/clip.ts";
import { updateLossScale } from "../kernels/ops/optimizer/loss_scale.ts";
import { adamwUpdate, sgdUpdate } from "../kernels/ops/optimizer/op.ts";
import { maxPool3d } from "../kernels/ops/pool/max_pool.ts";
import { avgPool3d } from "../kernels/ops/pool/op.ts";
import { confusionCounts } from "../kernels/ops/segmentation/confusion_counts.ts";
import { downsampleLabels } from "../kernels/ops/segmentation/downsample_labels.ts";
import { regionTargets } from "../kernels/ops/segmentation/region_targets.ts";
import { gaussianAxis } from "../kernels/ops/ssim/gaussian_axis.ts";
import { halve } from "../kernels/ops/ssim/halve.ts";
import { hideVisible } from "../kernels/ops/ssim/hide_visible.ts";
import { minMaxRescale } from "../kernels/ops/ssim/min_max_rescale.ts";
import { MOMENTS, moments } from "../kernels/ops/ssim/moments.ts";
import { similarityLoss } from "../kernels/ops/ssim/score.ts";
import { similarityMean } from "../kernels/ops/ssim/similarity_mean.ts";
import { type Dims3, type OpDef } from "../kernels/spec.ts";
import { NORM_EPS, SLOPE } from "../model/config.ts";
import { augmentFamilies } from "./augment_cases.ts";
import { blockFamilies } from "./block_cases.ts";
import { resizeFamilies } from "./resize_cases.ts";
import type { BenchCase, CaseFamily, CaseInput } from "./case.ts";
import { convFamilies, PATCH, STAGES } from "./conv_cases.ts";
import type { Contents } from "./data.ts";
import { windowFamilies } from "./window_cases.ts";

/** Size of an activation: channels and edges. */
interface Size {
  readonly channels: number;
  readonly size: Dims3;
}

const stageSizes: readonly Size[] = STAGES.map(({ channels, edge }) => ({
  channels,
  size: [edge, edge, edge],
}));
/** The three finest stages that hold 128 MiB or less, cheapest first; then the finest of all. */
const activations: readonly Size[] = [stageSizes[3], stageSizes[2], stageSizes[1], stageSizes[0]];
/** One channel at full size: images, reconstructions and masks. */
const image: Size = { channels: 1, size: [PATCH, PATCH, PATCH] };
const smallImage: Size = { channels: 1, size: [6, 5, 8] };
const tiny: Size = { channels: 3, size: [4, 6, 2] };

const shapeOf = ({ channels, size }: Size) => [1, channels, ...size];
const textOf = ({ channels, size }: Size) =>
  `${channels}x${size.every((n) => n === size[0]) ? `${size[0]}^3` : size.join("x")}`;

/** A family whose inputs follow from the size of an activation. */
function family(
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  op: OpDef<any>,
  sizes: { small: Size; full: readonly Size[] },
  describe: (size: Size) => { attrs: unknown; inputs: readonly CaseInput[] },
  variant = "",
): CaseFamily {
  const build = (size: Size): BenchCase => ({
    op,
    shape: `${textOf(size)}${variant && ` ${variant}`}`,
    ...describe(size),
  });
  return {
    name: `${op.name}${variant && ` ${variant}`}`,
    small: [build(sizes.small)],
    cases: sizes.full.map(build),
  };
}

const onActivations = { small: tiny, full: activations };
const onClasses = { small: { channels: 3, size: [4, 5, 3] } as Size, full: [{ ...image, channels: 3 }] };
const OVERLAP = { batchDice: false, smooth: 1e-5, diceWeight: 1, ceWeight: 1 };
const onImages = { small: smallImage, full: [image] };
const plain = (inputs: number) => (size: Size) => ({
  attrs: {},
  inputs: new Array(inputs).fill({ shape: shapeOf(size) }),
});
const maskOf = ({ size }: Size, contents: Contents = "mask"): CaseInput => ({
  shape: [1, 1, ...size],
  contents,
});

function norm(variant: string, flags: Partial<InstanceNormAttrs>): CaseFamily {
  const attrs: InstanceNormAttrs = {
    eps: NORM_EPS,
    affine: true,
    residual: false,
    masked: false,
    slope: SLOPE,
    ...flags,
  };
  const at = normInputs(attrs);
  return family(instanceNorm, onActivations, (size) => ({
    attrs,
    inputs: Array.from(
      { length: at.count },
      (_, i): CaseInput =>
        i === at.gamma || i === at.beta
          ? { shape: [size.channels], contents: "positive", gradient: true }
          : i === at.visible
          ? maskOf(size)
          : { shape: shapeOf(size) },
    ),
  }), variant);
}

/** Elements of a parameter segment: 128 MiB of f32. */
const SEGMENT = 2 ** 25;
const segments = { small: 1000, full: [2 ** 21, SEGMENT] };

/** A family over flat segments of parameters. */
function flat(
  // deno-lint-ignore no-explicit-any -- attributes differ by operation
  op: OpDef<any>,
  attrs: unknown,
  inputs: (n: number) => readonly CaseInput[],
): CaseFamily {
  const build = (n: number): BenchCase => ({ op, attrs, shape: `${n}`, inputs: inputs(n) });
  return { name: op.name, small: [build(segments.small)], cases: segments.full.map(build) };
}

const clip: CaseInput = { shape: [4], contents: "clip" };
const scalars: CaseInput = { shape: [4], contents: "scalars" };

/** One case that serves as small and as full shape: operations on a handful of numbers. */
function single(benchCase: BenchCase): CaseFamily {
  return { name: benchCase.op.name, small: [benchCase], cases: [benchCase] };
}

/** Smoothed moments of an image: five times its size. */
const momentsOf = (size: Size): CaseInput => ({
  shape: [MOMENTS, size.channels, ...size.size],
  contents: "positive",
  gradient: true,
});
const even = { small: { channels: 2, size: [4, 2, 6] as Dims3 }, full: activations };

const otherFamilies: readonly CaseFamily[] = [
  norm("", {}),
  norm("residual", { residual: true }),
  norm("masked", { masked: true }),
  family(leakyRelu, onActivations, (size) => ({ ...plain(1)(size), attrs: { slope: SLOPE } })),
  family(add, onActivations, plain(2)),
  family(accumulate, onActivations, (size) => ({ ...plain(2)(size), attrs: { scale: 0.5 } })),
  family(assign, onActivations, plain(2)),
  family(fill, onActivations, (size) => ({ attrs: { shape: shapeOf(size), value: 1 }, inputs: [] })),
  family(
    applyMask,
    onActivations,
    (size) => ({ attrs: {}, inputs: [{ shape: shapeOf(size) }, maskOf(size)] }),
  ),
  family(tokenFill, onActivations, (size) => ({
    attrs: {},
    inputs: [{ shape: shapeOf(size) }, { shape: [1, size.channels, 1, 1, 1] }, maskOf(size)],
  })),
  family(expandMask, { small: { channels: 1, size: [4, 2, 6] }, full: [image] }, ({ size }) => ({
    attrs: { size },
    inputs: [{ shape: [1, 1, ...size.map((n) => n % 16 === 0 ? n / 16 : n / 2)], contents: "mask" }],
  })),
  family(avgPool3d, even, (size) => ({ ...plain(1)(size), attrs: { stride: [2, 2, 2] } })),
  family(maxPool3d, even, (size) => ({ ...plain(1)(size), attrs: { stride: [2, 2, 2] } })),
  family(channelSum, onActivations, plain(1)),
  ...(["f32", "f16"] as const).map((to) =>
    family(cast, onActivations, (size) => ({ ...plain(1)(size), attrs: { to } }), `to ${to}`)
  ),
  family(reconstructionError, onImages, (size) => ({
    attrs: { power: 2, region: "hidden" },
    inputs: [{ shape: shapeOf(size) }, { shape: shapeOf(size), gradient: false }, maskOf(size)],
  })),
  ...([1, 3] as const).map((order) =>
    family(affineResample, onImages, ({ size }) => ({
      attrs: { size, order },
      inputs: [
        { shape: [1, 1, ...getPatchSize(size)], gradient: false },
        { shape: [1, TRANSFORM_LENGTH], contents: "transform" },
      ],
    }), order === 3 ? "cubic" : "linear")
  ),
  family(minMaxRescale, onImages, plain(1)),
  family(hideVisible, onImages, (size) => ({ attrs: {}, inputs: [{ shape: shapeOf(size) }, maskOf(size)] })),
  family(moments, onImages, plain(2)),
  ...([0, 1, 2] as const).map((axis) =>
    family(gaussianAxis, onImages, (size) => ({
      attrs: { axis, window: size.size[0] < 11 ? 3 : 11, sigma: 1.5 },
      inputs: [momentsOf(size)],
    }), `along ${"DHW"[axis]}`)
  ),
  family(similarityMean, onImages, (size) => ({ attrs: { kind: "ssim" }, inputs: [momentsOf(size)] })),
  family(halve, onImages, plain(1)),
  single({
    op: similarityLoss,
    attrs: { weights: [0.3, 0.7] },
    shape: "2 scales 2x1",
    inputs: new Array(2).fill({ shape: [2, 1], contents: "positive", gradient: true }),
  }),
  family(diceCe, onClasses, (size) => ({
    attrs: { ...OVERLAP, doBackground: false, ignoreLabel: null },
    inputs: [{ shape: shapeOf(size) }, maskOf(size, "labels")],
  })),
  family(diceBce, onClasses, (size) => ({
    attrs: OVERLAP,
    inputs: [{ shape: shapeOf(size) }, { shape: shapeOf(size), contents: "mask" }],
  })),
  family(confusionCounts, onClasses, (size) => ({
    attrs: { kind: "labels", ignoreLabel: null },
    inputs: [{ shape: shapeOf(size) }, maskOf(size, "labels")],
  })),
  family(regionTargets, onImages, (size) => ({
    attrs: { regions: [[1, 2], [2], [1]], ignoreLabel: null },
    inputs: [maskOf(size, "labels")],
  })),
  family(downsampleLabels, onImages, (size) => ({
    attrs: { size: size.size.map((extent) => Math.ceil(extent / 2)) },
    inputs: [maskOf(size, "labels")],
  })),
  flat(sumSquares, {}, (n) => [{ shape: [n] }]),
  single({
    op: clipScale,
    attrs: { maxNorm: 12 },
    shape: "4 sums",
    inputs: new Array(4).fill({ shape: [1], contents: "positive" }),
  }),
  flat(sgdUpdate, { momentum: 0.99, nesterov: true, weightDecay: 3e-5 }, (n) => [
    ...new Array(3).fill({ shape: [n] }),
    clip,
    scalars,
  ]),
  flat(adamwUpdate, { beta1: 0.9, beta2: 0.98, eps: 1e-8, weightDecay: 0.05 }, (n) => [
    { shape: [n] },
    { shape: [n] },
    { shape: [n] },
    { shape: [n], contents: "positive" },
    clip,
    scalars,
  ]),
  single({
    op: updateLossScale,
    attrs: { growthInterval: 2000, smallest: 1, largest: 2 ** 24 },
    shape: "1",
    inputs: [{ shape: [1], contents: "positive" }, { shape: [1], contents: "positive" }, clip],
  }),
  single({
    op: writeMetrics,
    attrs: { picks: [{ input: 0, element: 0 }, { input: 1, element: 2 }] },
    shape: "64x2",
    inputs: [{ shape: [64, 2] }, scalars, { shape: [1] }, clip],
  }),
];

/** All families; within a family cheap cases come first. */
export const families: readonly CaseFamily[] = [
  ...convFamilies,
  ...blockFamilies,
  ...otherFamilies,
  ...resizeFamilies,
  ...augmentFamilies,
  ...windowFamilies,
];
