/** Encoders: residual (ResEnc) and plain. */
import type { Scope, Value } from "../kernels/graph/graph.ts";
import type { NetworkConfig } from "./config.ts";
import { basicBlock, convNorm, type LayerContext } from "./layers.ts";

/**
 * Features of every stage, finest first.
 *
 * @param scope usually `encoder`: parameters `stem.convs.0.*`, `stages.S.blocks.B.*` (residual) or `stages.S.0.convs.B.*` (plain)
 * @param x `[N, inputChannels, D, H, W]`
 * @returns stage k: `[N, features[k], D / 2^k, ...]` for isotropic strides
 */
export function encode(
  scope: Scope,
  context: LayerContext,
  x: Value,
  config: NetworkConfig,
): readonly Value[] {
  return config.encoder === "residual"
    ? residualEncoder(scope, context, x, config)
    : plainEncoder(scope, context, x, config);
}

function residualEncoder(
  scope: Scope,
  context: LayerContext,
  x: Value,
  config: NetworkConfig,
): readonly Value[] {
  let y = convNorm(scope.at("stem.convs.0"), context, [x], {
    features: config.features[0],
    kernel: config.kernels[0],
    stride: [1, 1, 1],
    bias: true,
    activation: true,
  });
  return config.features.map((features, stage) => {
    for (let block = 0; block < config.blocks[stage]; block++) {
      y = basicBlock(scope.at(`stages.${stage}.blocks.${block}`), context, y, {
        features,
        kernel: config.kernels[stage],
        stride: block === 0 ? config.strides[stage] : [1, 1, 1],
      });
    }
    return y;
  });
}

function plainEncoder(
  scope: Scope,
  context: LayerContext,
  x: Value,
  config: NetworkConfig,
): readonly Value[] {
  let y = x;
  return config.features.map((features, stage) => {
    for (let block = 0; block < config.blocks[stage]; block++) {
      y = convNorm(scope.at(`stages.${stage}.0.convs.${block}`), context, [y], {
        features,
        kernel: config.kernels[stage],
        stride: block === 0 ? config.strides[stage] : [1, 1, 1],
        bias: true,
        activation: true,
      });
    }
    return y;
  });
}
