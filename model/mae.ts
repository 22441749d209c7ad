/** Masked auto-encoders: S3D (sparse encoder, mask tokens, densification), its variants, and the plain dense MAE. */
import type { Scope, Value } from "../kernels/graph/graph.ts";
import { instanceNorm } from "../kernels/ops/instance_norm/op.ts";
import { applyMask, tokenFill } from "../kernels/ops/mask/op.ts";
import { checkPatch, type NetworkConfig, NORM_EPS, validateNetwork } from "./config.ts";
import { decode } from "./decoder.ts";
import { encode } from "./encoder.ts";
import { conv, type LayerContext } from "./layers.ts";
import { Masking, sizeOf } from "./masking.ts";

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
 * @param mask block mask `[N, 1, g0, g1, g2]`, 1 = visible
 * @throws {ConfigError} when configuration or patch do not fit
 * @throws {ShapeError} when a level is neither a multiple of the mask's grid nor coarser in all axes
 * Source: Wald et al., "Revisiting MAE pre-training for 3D medical image segmentation" (arXiv:2410.23132); SparK (arXiv:2301.03580).
 */
export function maskedAutoencoder(
  scope: Scope,
  image: Value,
  mask: Value,
  config: MaeConfig,
): MaskedAutoencoder {
  const { network, kind } = config;
  validateNetwork(network);
  checkPatch(network, sizeOf(image));
  const masking = new Masking(scope, mask);
  const visible = masking.at(sizeOf(image)) ?? mask;
  const sparse = kind !== "mae";
  const x = sparse && config.leakyStem ? image : scope.at("input").apply(applyMask, [image, visible], {});
  const context: LayerContext = { init: network.init, masking: sparse ? masking : null };
  const features = encode(scope.at("encoder"), context, x, network);
  const decayOnly: Value[] = [];
  const skips = features.map((f, level) => {
    if (kind === "mae" || kind === "s3d-no-token") return f;
    const token = scope.parameter(`mask_tokens.${level}`, [1, network.features[level], 1, 1, 1], {
      kind: "truncatedNormal",
      std: 0.02,
      limit: 0.02,
    });
    const levelMask = masking.at(sizeOf(f));
    if (levelMask === null) decayOnly.push(token);
    const at = scope.at(`densify.${level}`);
    if (kind === "s3d-efficient") return levelMask ? at.apply(tokenFill, [f, token, levelMask], {}) : f;
    return densify(scope, context, f, levelMask, token, level);
  });
  return {
    reconstruction: decode(scope.at("decoder"), context, skips, network).outputs[0],
    visible,
    decayOnly,
  };
}

/** Norm over visible voxels, token in hidden ones and, below the finest level, a dense 3x3x3 convolution. */
function densify(
  scope: Scope,
  context: LayerContext,
  f: Value,
  mask: Value | null,
  token: Value,
  level: number,
): Value {
  const at = scope.at(`densify.${level}`);
  const attrs = { eps: NORM_EPS, affine: false, residual: false, masked: mask !== null, slope: 1 };
  const h = at.apply(instanceNorm, mask ? [f, mask] : [f], attrs);
  const filled = mask ? at.apply(tokenFill, [h, token, mask], {}) : h;
  if (level === 0) return filled;
  const dense: LayerContext = { ...context, init: "pytorch", masking: null };
  return conv(scope.at(`densify_projs.${level}`), dense, [filled], {
    features: f.spec.shape[1],
    kernel: [3, 3, 3],
    stride: [1, 1, 1],
    bias: true,
  });
}
