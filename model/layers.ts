/** Layers as functions from values to values; parameter names equal the PyTorch keys of the reference. */
import type { Init, Scope, Value } from "../kernels/graph/graph.ts";
import { appendTokenChannel } from "../kernels/ops/blocks/append_token_channel.ts";
import { scatterBlocks } from "../kernels/ops/blocks/op.ts";
import { outputSize, samePadding } from "../kernels/ops/conv3d/geometry.ts";
import { conv3d } from "../kernels/ops/conv3d/op.ts";
import { convTranspose3d } from "../kernels/ops/conv_transpose3d/op.ts";
import { instanceNorm } from "../kernels/ops/instance_norm/op.ts";
import { avgPool3d } from "../kernels/ops/pool/op.ts";
import type { Dims3 } from "../kernels/spec.ts";
import { type InitScheme, NORM_EPS, SLOPE } from "./config.ts";
import { type Masking, sizeOf } from "./masking.ts";

/** What every layer needs to know besides its input. */
export interface LayerContext {
  readonly init: InitScheme;
  /** Visible blocks of a masked auto-encoder; null where everything is visible. */
  readonly masking: Masking | null;
  /** Whether hidden voxels stay hidden, as in a sparse encoder; otherwise every layer's output is dense. */
  readonly sparse: boolean;
}

/** Features of an encoder stage as the decoder takes them. */
export interface Skip {
  /** Dense, or the kept blocks only. */
  readonly value: Value;
  /** What hidden voxels of kept blocks hold, `[1, C, 1, 1, 1]`; null for 0. */
  readonly token: Value | null;
}

/** Whether an activation is stored as kept blocks. */
function inBlocks(x: Value): boolean {
  return x.spec.layout.kind === "blocks";
}

/** The whole map of a skip. */
export function wholeMap(scope: Scope, context: LayerContext, { value, token }: Skip): Value {
  if (!inBlocks(value)) return value;
  const inputs = [value, ...(token ? [token] : []), context.masking!.blocks!.table];
  return scope.apply(scatterBlocks, inputs, { token: token !== null });
}

/** Start of a convolution's weight. fan_in = `shape[1] * kernel volume`, also for transposed convolutions. */
export function weightInit(scheme: InitScheme, shape: readonly number[]): Init {
  const fanIn = shape.slice(1).reduce((product, n) => product * n, 1);
  return scheme === "he"
    ? { kind: "normal", std: Math.sqrt(2 / (1 + SLOPE ** 2) / fanIn) }
    : { kind: "uniform", bound: 1 / Math.sqrt(fanIn) };
}

/** Start of a convolution's bias; `weightShape` gives the fan-in. */
export function biasInit(scheme: InitScheme, weightShape: readonly number[]): Init {
  return scheme === "he" ? { kind: "zeros" } : weightInit(scheme, weightShape);
}

/** Options of {@link conv}. */
export interface ConvOptions {
  readonly features: number;
  readonly kernel: Dims3;
  readonly stride: Dims3;
  readonly bias: boolean;
  /** Start weight and bias at 0. */
  readonly zero?: boolean;
  /** What hidden voxels of the last input hold, `[1, C, 1, 1, 1]`, when it is in blocks; 0 without. */
  readonly token?: Value | null;
}

/**
 * A convolution with its parameters `<scope>.weight` and `.bias`; two inputs stand for their concatenation.
 *
 * In the block layout a sparse context gives kept blocks at levels that the mask covers; everything else is dense. A token is
 * not written into any map: it becomes one more input channel, the mask of hidden voxels.
 */
export function conv(
  scope: Scope,
  context: LayerContext,
  inputs: readonly [Value] | readonly [Value, Value],
  options: ConvOptions,
): Value {
  const channels = inputs.reduce((sum, x) => sum + x.spec.shape[1], 0);
  const shape = [options.features, channels, ...options.kernel];
  const start = (init: Init): Init => options.zero ? { kind: "zeros" } : init;
  const weight = scope.parameter("weight", shape, start(weightInit(context.init, shape)));
  const bias = options.bias
    ? [scope.parameter("bias", [options.features], start(biasInit(context.init, shape)))]
    : [];
  const { kernel, stride, token } = options;
  const { masking } = context;
  const blocks = masking?.blocks ?? null;
  const size = outputSize(sizeOf(inputs[0]), samePadding("conv", { kernel, stride }));
  const to = blocks && context.sparse && masking!.masks(size) ? blocks : null;
  const table = blocks && (to || inputs.some(inBlocks)) ? [blocks.table] : [];
  const sources: Value[] = [...inputs];
  let filter = weight;
  if (token) {
    sources.push(masking!.hidden(sizeOf(inputs[0])));
    filter = scope.apply(appendTokenChannel, [weight, token], { first: channels - token.spec.shape[1] });
  }
  return scope.apply(conv3d, [...sources, filter, ...bias, ...table], {
    kernel,
    stride,
    inputs: sources.length as 1 | 2 | 3,
    bias: options.bias,
    ...(table.length > 0
      ? { table: true, to: to ? { grid: to.grid, kept: to.kept } : "dense" as const }
      : {}),
  });
}

/** A transposed convolution with kernel = stride and parameters `<scope>.weight`, `.bias`. */
export function upsample(
  scope: Scope,
  context: LayerContext,
  x: Value,
  features: number,
  stride: Dims3,
): Value {
  const shape = [x.spec.shape[1], features, ...stride];
  const weight = scope.parameter("weight", shape, weightInit(context.init, shape));
  const bias = scope.parameter("bias", [features], biasInit(context.init, shape));
  return scope.apply(convTranspose3d, [x, weight, bias], { stride, bias: true });
}

/** Options of {@link convNorm}. */
export interface ConvNormOptions extends Omit<ConvOptions, "zero"> {
  /** LeakyReLU after the norm (and the residual). */
  readonly activation: boolean;
  readonly residual?: Value;
  /** Start gamma and beta at 0 instead of 1 and 0. */
  readonly silent?: boolean;
}

/**
 * Conv, instance norm, optionally a residual sum and LeakyReLU; parameters `<scope>.conv.*` and `<scope>.norm.*`.
 *
 * In the dense-masked layout the convolution's hidden outputs are not zeroed: the masked norm reads visible voxels only and
 * writes zeros into the hidden ones, which gives the values and gradients of masking twice.
 */
export function convNorm(
  scope: Scope,
  context: LayerContext,
  inputs: readonly [Value] | readonly [Value, Value],
  options: ConvNormOptions,
): Value {
  const y = conv(scope.at("conv"), context, inputs, options);
  const norm = scope.at("norm");
  const gamma = norm.parameter("weight", [options.features], { kind: options.silent ? "zeros" : "ones" });
  const beta = norm.parameter("bias", [options.features], { kind: "zeros" });
  const visible = context.sparse ? context.masking!.of(y) : null;
  return norm.apply(instanceNorm, [
    y,
    gamma,
    beta,
    ...(options.residual ? [options.residual] : []),
    ...(visible ? [visible] : []),
  ], {
    eps: NORM_EPS,
    affine: true,
    residual: options.residual !== undefined,
    masked: visible !== null,
    slope: options.activation ? SLOPE : 1,
  });
}

/** Options of {@link basicBlock}. */
export interface BlockOptions {
  readonly features: number;
  readonly kernel: Dims3;
  readonly stride: Dims3;
}

/**
 * Residual block in ResNet-D style: conv-norm-LeakyReLU, conv-norm, plus the skip, then LeakyReLU.
 *
 * The skip pools when the block strides and projects (1x1x1 conv without bias, norm) when channels change. Pooling needs no
 * voxel mask: at masked levels block edges coincide with pooling windows, so hidden windows hold zeros only.
 * Source: BasicBlockD of dynamic-network-architectures.
 */
export function basicBlock(scope: Scope, context: LayerContext, x: Value, options: BlockOptions): Value {
  const { features, kernel, stride } = options;
  const y = convNorm(scope.at("conv1"), context, [x], {
    features,
    kernel,
    stride,
    bias: true,
    activation: true,
  });
  const residual = shortcut(scope.at("skip"), context, x, features, stride);
  return convNorm(scope.at("conv2"), context, [y], {
    features,
    kernel,
    stride: [1, 1, 1],
    bias: true,
    activation: true,
    residual,
    silent: context.init === "he",
  });
}

function shortcut(scope: Scope, context: LayerContext, x: Value, features: number, stride: Dims3): Value {
  const table = inBlocks(x) ? [context.masking!.blocks!.table] : [];
  const pooled = stride.some((s) => s !== 1) ? scope.at("0").apply(avgPool3d, [x, ...table], { stride }) : x;
  if (x.spec.shape[1] === features) return pooled;
  const at = scope.at(pooled === x ? "0" : "1");
  return convNorm(at, context, [pooled], {
    features,
    kernel: [1, 1, 1],
    stride: [1, 1, 1],
    bias: false,
    activation: false,
  });
}
