/** The U-Net decoder: transposed conv, skip, conv blocks, a 1x1x1 head a stage. Always dense. */
import type { Scope, Value } from "../kernels/graph/graph.ts";
import type { NetworkConfig } from "./config.ts";
import {
  biasInit,
  conv,
  convNorm,
  type LayerContext,
  type Skip,
  upsample,
  weightInit,
  wholeMap,
} from "./layers.ts";

/** What a decoder computes. */
export interface Decoded {
  /** Head outputs, finest first; only the finest without deep supervision. */
  readonly outputs: readonly Value[];
  /** Features of every decoder stage, lowest resolution first. */
  readonly features: readonly Value[];
}

/**
 * Decodes encoder features.
 *
 * Parameters `<scope>.transpconvs.J.*`, `.stages.J.convs.K.*`, `.seg_layers.J.*`, J = 0 the lowest resolution. Heads that a
 * configuration with skips does not use exist all the same, as in the reference. Upsampled features come before the skip.
 *
 * @param skips encoder features, finest first
 */
export function decode(
  scope: Scope,
  context: LayerContext,
  skips: readonly Skip[],
  config: NetworkConfig,
): Decoded {
  const stages = config.features.length - 1;
  const dense: LayerContext = { ...context, sparse: false };
  const features: Value[] = [];
  const outputs: Value[] = [];
  let x = wholeMap(scope.at("bottleneck"), dense, skips[stages]);
  for (let j = 0; j < stages; j++) {
    const level = stages - 1 - j;
    x = upsample(scope.at(`transpconvs.${j}`), dense, x, config.features[level], config.strides[level + 1]);
    for (let k = 0; k < config.decoderConvs[j]; k++) {
      x = convNorm(
        scope.at(`stages.${j}.convs.${k}`),
        dense,
        k === 0 && config.skips ? [x, skips[level].value] : [x],
        {
          token: k === 0 && config.skips ? skips[level].token : null,
          features: config.features[level],
          kernel: config.kernels[level],
          stride: [1, 1, 1],
          bias: true,
          activation: true,
        },
      );
    }
    features.push(x);
    const last = j === stages - 1;
    if (!config.skips && !last) continue;
    const head = scope.at(`seg_layers.${config.skips ? j : 0}`);
    if (last || config.deepSupervision) {
      outputs.unshift(
        conv(head, dense, [x], {
          features: config.outputChannels,
          kernel: [1, 1, 1],
          stride: [1, 1, 1],
          bias: true,
          zero: config.zeroHead,
        }),
      );
    } else {
      declareHead(head, dense, x, config.outputChannels);
    }
  }
  return { outputs, features };
}

/** A head whose output nobody uses: its parameters exist for checkpoint compatibility. */
function declareHead(scope: Scope, context: LayerContext, x: Value, features: number): void {
  const shape = [features, x.spec.shape[1], 1, 1, 1];
  scope.parameter("weight", shape, weightInit(context.init, shape));
  scope.parameter("bias", [features], biasInit(context.init, shape));
}
