/** Masked auto-encoders: S3D (sparse encoder, mask tokens, densification), its variants, and the plain dense MAE. */
import type { Scope, Value } from "../kernels/graph/graph.ts";
import { gatherBlocks } from "../kernels/ops/blocks/op.ts";
import { instanceNorm } from "../kernels/ops/instance_norm/op.ts";
import { applyMask, tokenFill } from "../kernels/ops/mask/op.ts";
import { checkPatch, type NetworkConfig, NORM_EPS, validateNetwork } from "./config.ts";
import { decode } from "./decoder.ts";
import { encode } from "./encoder.ts";
import { conv, type LayerContext, type Skip } from "./layers.ts";
import { Masking, sizeOf, type VisibleBlocks } from "./masking.ts";

/**
 * - `s3d`: sparse encoder; every level is normalised, hidden voxels take a token, and all but the finest get a 3x3x3 conv.
 * - `s3d-no-token`: sparse encoder; the decoder sees zeros in hidden voxels.
 * - `s3d-efficient`: sparse encoder; tokens, but neither norm nor conv.
 * - `mae`: dense encoder on the masked patch.
 */
export type MaeKind = "s3d" | "s3d-no-token" | "s3d-efficient" | "mae";

/** Configuration of a masked auto-encoder. */
export interface MaeConfig {
  readonly kind: MaeKind;
  readonly network: NetworkConfig;
  /** Feed the unmasked patch to the stem, as the reference does, so that a one-voxel rim of hidden voxels leaks in. */
  readonly leakyStem: boolean;
}

/** Values of a built masked auto-encoder. */
export interface MaskedAutoencoder {
  /** `[N, outputChannels, D, H, W]`, z-scored intensities. */
  readonly reconstruction: Value;
  /** Voxel mask `[N, 1, D, H, W]`, 1 = visible. */
  readonly visible: Value;
  /** Masks of other sizes. */
  readonly masking: Masking;
  /**
   * Parameters that take part in the network but, at this patch and block, get no gradient: the tokens of levels coarser
   * than the mask. The reference gives them a zero gradient, so weight decay alone moves them.
   */
  readonly decayOnly: readonly Value[];
}

/**
 * Builds a masked auto-encoder under `scope`; parameters `encoder.*`, `decoder.*`, `mask_tokens.K`, `densify_projs.K.*`.
 *
 * @param image `[N, inputChannels, D, H, W]`, z-scored
 * @param mask block mask `[N, 1, g0, g1, g2]`, 1 = visible, or a block table: then the sparse encoder stores and computes kept
 * blocks only, with equal results
 * @throws {ConfigError} when configuration or patch do not fit
 * @throws {ShapeError} when a level is neither a multiple of the mask's grid nor coarser in all axes
 * Source: Wald et al., "Revisiting MAE pre-training for 3D medical image segmentation" (arXiv:2410.23132); SparK (arXiv:2301.03580).
 */
export function maskedAutoencoder(
  scope: Scope,
  image: Value,
  mask: VisibleBlocks,
  config: MaeConfig,
): MaskedAutoencoder {
  const { network, kind } = config;
  validateNetwork(network);
  checkPatch(network, sizeOf(image));
  const masking = new Masking(scope, mask);
  const visible = masking.visible(sizeOf(image));
  const sparse = kind !== "mae";
  const context: LayerContext = { init: network.init, masking: sparse ? masking : null, sparse };
  const features = encode(
    scope.at("encoder"),
    context,
    shownImage(scope, context, image, visible, config),
    network,
  );
  const decayOnly: Value[] = [];
  const skips = features.map((f, level): Skip => {
    if (kind === "mae" || kind === "s3d-no-token") return { value: f, token: null };
    const token = scope.parameter(`mask_tokens.${level}`, [1, network.features[level], 1, 1, 1], {
      kind: "truncatedNormal",
      std: 0.02,
      limit: 0.02,
    });
    if (!masking.masks(sizeOf(f))) decayOnly.push(token);
    const at = scope.at(`densify.${level}`);
    return kind === "s3d-efficient"
      ? filled(at, masking, f, token)
      : densify(scope, context, f, token, level);
  });
  return {
    reconstruction: decode(scope.at("decoder"), context, skips, network).outputs[0],
    visible,
    masking,
    decayOnly,
  };
}

/** What the encoder sees of the image. */
function shownImage(
  scope: Scope,
  { masking, sparse }: LayerContext,
  image: Value,
  visible: Value,
  { leakyStem }: MaeConfig,
): Value {
  if (sparse && leakyStem) return image;
  const at = scope.at("input");
  const blocks = masking?.blocks;
  return blocks
    ? at.apply(gatherBlocks, [image, blocks.table], { grid: blocks.grid, kept: blocks.kept })
    : at.apply(applyMask, [image, visible], {});
}

/** Features whose hidden voxels hold a token: at once in a dense map, later and by whoever reads them in blocks. */
function filled(at: Scope, masking: Masking, f: Value, token: Value): Skip {
  const visible = masking.of(f);
  if (visible === null) return { value: f, token: null };
  return masking.blocks
    ? { value: f, token }
    : { value: at.apply(tokenFill, [f, token, visible], {}), token: null };
}

/** Norm over visible voxels, token in hidden ones and, below the finest level, a dense 3x3x3 convolution. */
function densify(scope: Scope, context: LayerContext, f: Value, token: Value, level: number): Skip {
  const at = scope.at(`densify.${level}`);
  const visible = context.masking!.of(f);
  const attrs = { eps: NORM_EPS, affine: false, residual: false, masked: visible !== null, slope: 1 };
  const h = filled(
    at,
    context.masking!,
    at.apply(instanceNorm, visible ? [f, visible] : [f], attrs),
    token,
  );
  if (level === 0) return h;
  const dense: LayerContext = { ...context, init: "pytorch", sparse: false };
  const value = conv(scope.at(`densify_projs.${level}`), dense, [h.value], {
    features: f.spec.shape[1],
    kernel: [3, 3, 3],
    stride: [1, 1, 1],
    bias: true,
    token: h.token,
  });
  return { value, token: null };
}
